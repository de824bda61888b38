/**
 * For calls that usually take microseconds and now and then wait for the host's disks: after a wait of more than PATIENCE_MS
 * they are to be made elsewhere for AVOID_FACTOR times as long. The main loop then never stands for more than a fifth of
 * its time, and a call that was merely preempted costs little.
 */
const PATIENCE_MS = 5
const AVOID_FACTOR = 4

export class Patience {
  readonly #clock: () => number
  #from = 0

  /** @param clock milliseconds */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
  }

  /** Whether such a call may be made here and now. */
  get left(): boolean {
    return this.#clock() >= this.#from
  }

  measure(call: () => number): number {
    const begun = this.#clock()
    const result = call()
    const ended = this.#clock()
    const waited = ended - begun
    if (waited > PATIENCE_MS) this.#from = ended + AVOID_FACTOR * waited
    return result
  }
}
