/** One attempt of an OCI runtime to run a container, as the processes that exist for it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import { FILES, type LaunchFacts, launch } from './launch.ts'
import { childrenOf, hasEnded } from './proc-status.ts'
import { SIGKILL, SIGSTOP, send } from './signals.ts'

export interface RuntimeProcess {
  /** Whether the runtime got as far as starting the program; resolves as soon as that is known. */
  readonly started: Promise<boolean>
  /** Exit status of the runtime, which is the program's, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** unshare and the runtime, as long as they live. */
  pids(): number[]
  /** Ends it with everything in its pid namespace. */
  kill(): void
}

/** The pid file is looked for at this pace: cheaper than an inotify instance, of which a user has 128. */
const LOOK_INTERVAL_MS = 1
const LOOK_INTERVAL_LATER_MS = 10
const LOOKS_BEFORE_LATER = 200

export function startRuntime(facts: LaunchFacts): RuntimeProcess {
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
  const pids = () => (running && child.pid !== undefined ? [child.pid, ...childrenOf(child.pid)] : [])
  return {
    ended,
    started: whetherStarted(join(facts.directory, FILES.pid), ended),
    pids,
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

function whetherStarted(pidFile: string, ended: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let looks = 0
    let timer: NodeJS.Timeout
    const look = () => {
      if (existsSync(pidFile)) resolve(true)
      else timer = setTimeout(look, looks++ < LOOKS_BEFORE_LATER ? LOOK_INTERVAL_MS : LOOK_INTERVAL_LATER_MS)
    }
    const stop = () => {
      clearTimeout(timer)
      resolve(existsSync(pidFile))
    }
    look()
    ended.then(stop, (error) => {
      clearTimeout(timer)
      reject(error)
    })
  })
}
