/** Signals for a program that is not there yet: without handlers of its own, each does what it does by default. signal(7) */

/** SIGCHLD, SIGCONT, SIGURG, SIGWINCH are ignored; SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU stop it. */
const SURVIVED: ReadonlySet<number> = new Set([17, 18, 19, 20, 21, 22, 23, 28])

export const endsByDefault = (signo: number): boolean => signo > 0 && !SURVIVED.has(signo)
