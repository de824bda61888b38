/** One attempt of an OCI runtime to run a container, as the processes that exist for it. */
import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { HostError } from '../errors.ts'
import { childrenOf, descendantsOf, hasEnded } from '../host/process-status.ts'
import { SIGKILL, SIGSTOP, send } from '../host/signals.ts'
import { type InitReport, parseReport, REPORT_BYTES } from './init.ts'
import { type LaunchFacts, launch, REPORT_FD } from './launch.ts'
import { relayOutput } from './relay.ts'

export interface RuntimeProcess {
  /** What init said about the start of the program; undefined when the runtime never got that far. */
  readonly report: Promise<InitReport | undefined>
  /** Exit status of the runtime, which is the program's, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Resolves when the output that passes through us is written. */
  readonly relayed: Promise<unknown>
  abandonOutput(): void
  /** What the processes around the container wrote to its standard error before there was a program: nobody else sees it. */
  readonly said: Promise<string>
  /** unshare and the runtime, as long as they live. */
  pids(): number[]
  /** What the runtime has started, nearest first. */
  inside(): number[]
  /** Ends it with everything in its pid namespace. */
  kill(): void
}

const LOOK_INTERVAL_MS = 1

export function startRuntime(facts: LaunchFacts, onRefused: (error: NodeJS.ErrnoException) => void): RuntimeProcess {
  const child = launch(facts)
  let running = child.pid !== undefined
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', (cause) => {
      running = false
      reject(
        new HostError(`Cannot start container "${facts.id}": setpriv could not be executed.`, {
          hint: 'Install it: apt-get install util-linux',
          cause,
        }),
      )
    })
    child.once('exit', (code, signal) => {
      running = false
      resolve(code ?? signal ?? 'SIGKILL')
    })
  })
  const failed = new Promise<never>((_, reject) => void ended.catch(reject))
  const pids = () => (running && child.pid !== undefined ? [child.pid, ...childrenOf(child.pid)] : [])
  const report = Promise.race([readReport(child), failed])
  // From the first byte on: Node.js throws away what a process has written and nobody listened to when it ended.
  const [output, errors] = [child.stdout, child.stderr].map((from, at) => {
    const fd = facts.streams[at + 1]?.fd
    return from && fd !== undefined ? relayOutput(from, fd, onRefused) : undefined
  })
  const relays = [output, errors].filter((relay) => relay !== undefined)
  const relayed = report.then((outcome) => {
    if (outcome?.error !== 0) return
    for (const { open } of relays) open()
    return Promise.all(relays.map(({ done }) => done))
  })
  const said = report.then(async (outcome) => {
    if (outcome?.error === 0 || !errors) return ''
    await errors.closed
    return errors.held()
  })
  // Whoever waits for the report hears of it; these two need not be waited for.
  for (const promise of [relayed, said]) promise.catch(() => {})
  return {
    ended,
    report,
    relayed,
    said,
    abandonOutput() {
      for (const { abandon } of relays) abandon()
    },
    pids,
    inside: () => descendantsOf(pids()[1] ?? 0),
    kill() {
      const [guard] = pids()
      if (guard === undefined) return
      // Stopped, it forks no more, and stays until all that it guards is gone: its end is the end of them all.
      send(guard, SIGSTOP)
      const inside = childrenOf(guard)
      for (const pid of inside) send(pid, SIGKILL)
      endAfter(inside, guard)
    },
  }
}

/** The first process of a pid namespace ends after all others in it. pid_namespaces(7) */
function endAfter(inside: readonly number[], guard: number): void {
  if (inside.every((pid) => hasEnded(pid))) send(guard, SIGKILL)
  else setTimeout(endAfter, LOOK_INTERVAL_MS, inside, guard)
}

export function readReport(child: ChildProcess): Promise<InitReport | undefined> {
  return new Promise((resolve) => {
    const pipe = (child.stdio as readonly unknown[])[REPORT_FD] as Readable | undefined
    let bytes = Buffer.alloc(0)
    // Bounded: until init is there, it is the runtime that could write.
    pipe?.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]).subarray(0, REPORT_BYTES)
      if (bytes.length === REPORT_BYTES) pipe.destroy()
    })
    pipe?.on('error', () => pipe.destroy())
    pipe?.on('close', () => resolve(parseReport(bytes)))
    if (!pipe) resolve(undefined)
  })
}
