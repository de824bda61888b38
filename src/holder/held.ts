/**
 * An instance that this process holds, and what other commands may ask of it: the same in the foreground and detached.
 */
import type { ControlRequest } from '../control/protocol.ts'
import type { Operations } from '../control/server.ts'
import { UsageError } from '../errors.ts'
import type { ExitResult, Instance } from '../instance/instance.ts'
import { putOnRecord } from '../instance/put-on-record.ts'
import type { ClaimedInstance } from '../instance/store.ts'
import type { Attachments } from './attachments.ts'

const SIGKILL = 9
const SIGTERM = 15
const KILLED: ExitResult = { exitCode: 128 + SIGKILL }

export interface Held {
  readonly operations: Operations
  /** Asks the program to end, and ends it when it has not after that time. */
  stop(graceMs: number): void
  /** Puts the end on record and tells those who wait; the first time only. @returns what to tell the user */
  finish(result: ExitResult): ExitResult
}

/** @param attachments absent where the output goes to the terminal of whoever started it */
export function hold(instance: Instance, claimed: ClaimedInstance, attachments?: Attachments): Held {
  let removed = false
  let paused = false
  let outcome: ExitResult | undefined
  let resolveFinished: (result: ExitResult) => void
  const finished = new Promise<ExitResult>((resolve) => {
    resolveFinished = resolve
  })

  const refuseEnded = (action: string) => {
    if (outcome) throw new UsageError(`Cannot ${action} "${claimed.name}": it has just ended.`)
  }

  /** Pause and resume wait for each other: the next one meets what the last one left. */
  let standing: Promise<unknown> = Promise.resolve()
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = standing.then(work)
    standing = done.catch(() => {})
    return done
  }
  const pause = async () => {
    refuseEnded('pause')
    if (paused) throw new UsageError(`Cannot pause "${claimed.name}": it is paused already.`)
    await instance.pause()
    refuseEnded('pause')
    paused = true
    claimed.setPaused(true)
    claimed.note('pause')
  }
  const resume = async () => {
    await instance.resume()
    paused = false
    if (outcome) return
    claimed.setPaused(false)
    claimed.note('resume')
  }
  const resumePaused = async () => {
    refuseEnded('resume')
    if (!paused) throw new UsageError(`Cannot resume "${claimed.name}": it is not paused.`)
    await resume()
  }
  const signal = (signo: number) => {
    refuseEnded('signal')
    claimed.note('signal', { signal: signo })
    instance.signal(signo)
  }
  const stop = async (graceMs: number) => {
    if (outcome) return
    signal(SIGTERM)
    setTimeout(() => instance.kill(KILLED), graceMs).unref()
    // What stands still hears no signal.
    await inTurn(async () => {
      if (paused) await resume()
    })
  }
  const kill = () => {
    if (outcome) return
    claimed.note('signal', { signal: SIGKILL })
    instance.kill(KILLED)
  }

  async function answer(request: Exclude<ControlRequest, { verb: 'attach' }>): Promise<object> {
    switch (request.verb) {
      case 'signal':
        signal(request.signo)
        return {}
      case 'stop':
        await stop(request.graceMs)
        return { result: await finished }
      case 'kill':
        removed ||= request.removed
        kill()
        return { result: await finished }
      case 'resize':
        refuseEnded('resize')
        instance.resize?.(request)
        return {}
      case 'pause':
        await inTurn(pause)
        return {}
      case 'resume':
        await inTurn(resumePaused)
        return {}
      case 'update':
        refuseEnded('update')
        await instance.setMemory(request.memoryBytes)
        claimed.note('update', { memoryBytes: request.memoryBytes })
        return {}
      case 'stats':
        return { usage: instance.usage(), atNs: Number(process.hrtime.bigint()) }
      case 'wait':
        return { result: await finished }
    }
  }

  return {
    operations: {
      answer,
      attach({ input }) {
        if (!attachments) {
          throw new UsageError(`Cannot attach to "${claimed.name}": it runs in the foreground of another command.`, {
            hint: 'Its output goes there. Start it with "cloister run -d" to attach later.',
          })
        }
        return (socket) => attachments.add(socket, input)
      },
    },
    stop: (graceMs) => void stop(graceMs),
    finish(ended) {
      if (outcome) return outcome
      outcome = putOnRecord(claimed, removed ? removedBy(claimed.name) : ended)
      attachments?.end(outcome)
      resolveFinished(outcome)
      return outcome
    },
  }
}

/** `rm -f` ends a run; to whoever waits for it that is a kill. */
const removedBy = (name: string): ExitResult => ({
  exitCode: 128 + SIGKILL,
  report: `Instance "${name}" was ended and removed by another command: cloister rm -f.`,
})
