/** Signals to processes that may be gone already. */

export const SIGKILL = 9
export const SIGPIPE = 13
export const SIGSTOP = 19

/** Sends it, unless the process is gone. */
export function send(pid: number, signo: number): void {
  try {
    process.kill(pid, signo)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
