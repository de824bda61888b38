/**
 * What a signal would do to a program that is process 1 of its pid namespace. The kernel drops every signal for
 * which such a process has no handler (pid_namespaces(7)); a user who presses Ctrl-C expects the program to end as
 * it would in the foreground, so the default action is ours to carry out. signal(7)
 */
import type { ProcStatus } from './proc-status.ts'

export const SIGKILL = 9
export const SIGCONT = 18
export const SIGSTOP = 19

const IGNORED_BY_DEFAULT = new Set([17 /* SIGCHLD */, SIGCONT, 23 /* SIGURG */, 28 /* SIGWINCH */])
const STOPS_BY_DEFAULT = new Set([SIGSTOP, 20 /* SIGTSTP */, 21 /* SIGTTIN */, 22 /* SIGTTOU */])

export type SignalEffect =
  /** The program deals with it: send it as it is. */
  | 'deliver'
  /** It would end the program. */
  | 'end'
  | 'stop'
  | 'nothing'

export function signalEffect(signo: number, { blocked, ignored, caught }: ProcStatus): SignalEffect {
  const bit = 1n << BigInt(signo - 1)
  if (signo === SIGKILL) return 'end'
  if (signo === SIGSTOP) return 'stop'
  // A continued process continues even where the signal itself is dropped; a blocked one may be waited for.
  if (signo === SIGCONT || ((blocked | caught) & bit) !== 0n) return 'deliver'
  if ((ignored & bit) !== 0n || IGNORED_BY_DEFAULT.has(signo)) return 'nothing'
  return STOPS_BY_DEFAULT.has(signo) ? 'stop' : 'end'
}

/** Sends it, unless the process is gone already. */
export function send(pid: number, signo: number): void {
  try {
    process.kill(pid, signo)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
