/**
 * An instance that this process holds, and what other commands may ask of it: the same in the foreground and detached.
 */
import type { Socket } from 'node:net'
import { basename } from 'node:path'
import type { PlainRequest } from '../control/protocol.ts'
import type { Operations } from '../control/server.ts'
import { UsageError } from '../errors.ts'
import type { ExecSpec } from '../instance/exec.ts'
import type { ExitResult, Instance, SnapshotFacts, SnapshotOrder } from '../instance/instance.ts'
import { putOnRecord } from '../instance/put-on-record.ts'
import type { ClaimedInstance } from '../instance/store.ts'
import type { Attachments } from './attachments.ts'
import { ExecSessions } from './exec-sessions.ts'

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
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
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
  const snapshot = async ({ directory, base }: SnapshotOrder): Promise<SnapshotFacts> => {
    refuseEnded('take a snapshot of')
    if (!instance.snapshot) {
      throw new UsageError(`Cannot take a snapshot of "${claimed.name}": containers have none.`, {
        hint: 'Virtual machines do: --isolation unikernel or microvm.',
      })
    }
    const facts = await instance.snapshot({ directory, ...(base === undefined ? {} : { base }) })
    claimed.note('snapshot', { snapshot: basename(directory) })
    return facts
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

  async function answer(request: PlainRequest): Promise<object> {
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
      case 'snapshot':
        return { snapshot: await inTurn(() => snapshot(request)) }
      case 'stats':
        return { usage: instance.usage(), atNs: Number(process.hrtime.bigint()) }
      case 'wait':
        return { result: await finished }
    }
  }

  const attach = (input: boolean) => {
    if (!attachments) {
      throw new UsageError(`Cannot attach to "${claimed.name}": it runs in the foreground of another command.`, {
        hint: 'Its output goes there. Start it with "cloister run -d" to attach later.',
      })
    }
    return (socket: Socket) => attachments.add(socket, input)
  }

  const sessions = new ExecSessions()
  const exec = (spec: ExecSpec) => {
    refuseEnded('run a program in')
    if (paused) {
      throw new UsageError(`Cannot run a program in "${claimed.name}": it is paused.`, {
        hint: `"cloister resume ${claimed.name}" lets it go on.`,
      })
    }
    return sessions.open(async () => {
      if (!instance.exec) throw cannotExec(claimed.name)
      return await instance.exec(spec)
    })
  }

  return {
    operations: {
      answer,
      async stream(request) {
        if (request.verb === 'attach') return attach(request.input)
        const { verb: _, ...spec } = request
        return await exec(spec)
      },
    },
    stop: (graceMs) => void stop(graceMs),
    finish(ended) {
      if (outcome) return outcome
      outcome = putOnRecord(claimed, removed ? removedBy(claimed.name) : ended)
      attachments?.end(outcome)
      sessions.end(endedWith(claimed.name))
      resolveFinished(outcome)
      return outcome
    },
  }
}

/** What still ran beside its program. */
const endedWith = (name: string): ExitResult => ({
  exitCode: 128 + SIGKILL,
  report: `Instance "${name}" has ended, and this program with it.`,
})

/** Only a unikernel is without. */
const cannotExec = (name: string): UsageError =>
  new UsageError(`Cannot run a program in "${name}": a unikernel runs one process, by design.`, {
    hint: 'For more than one choose --isolation microvm or container.',
  })

/** `rm -f` ends a run; to whoever waits for it that is a kill. */
const removedBy = (name: string): ExitResult => ({
  exitCode: 128 + SIGKILL,
  report: `Instance "${name}" was ended and removed by another command: cloister rm -f.`,
})
