/**
 * A request that is answered with an errno (Rlerror). No Error of its own: making a stack for each file that is not
 * there costs more than looking for it.
 */
export class Refusal {
  readonly errno: number

  constructor(errno: number) {
    this.errno = errno
  }
}

/** What a call of the host gave, unless that is minus errno. @throws Refusal */
export function granted(result: number): number
export function granted<T extends object>(result: T | number): T
export function granted(result: unknown): unknown {
  if (typeof result === 'number' && result < 0) throw new Refusal(-result)
  return result
}
