/**
 * A device's interrupt: InterruptStatus, and an edge on its line. The driver may read the status from a page
 * (register-page.ts) and its acknowledgements may come late (DEFERRABLE_WRITES); the order of things here sees to it that
 * it misses nothing all the same. virtio 1.2 §4.2.2, test/virtio/interrupts.test.ts
 */

/** Bits of InterruptStatus and InterruptACK. */
export const INTERRUPT_USED_BUFFER = 1
export const INTERRUPT_CONFIG_CHANGE = 2

export interface InterruptLineOptions {
  /** An edge. */
  readonly raise: () => void
  /** Delivers the acknowledgements that were kept back. */
  readonly settle: () => void
  /** The status is about to be read by a driver that makes no access. */
  readonly show: () => void
}

export class InterruptLine {
  readonly #options: InterruptLineOptions
  #status = 0

  constructor(options: InterruptLineOptions) {
    this.#options = options
  }

  get status(): number {
    return this.#status
  }

  /**
   * After what it tells of is there to be seen. Raised even when the bit is set already: an edge may have come while the
   * guest had the line masked.
   */
  raise(bit: number): void {
    const { settle, show, raise } = this.#options
    // An acknowledgement still under way is of an earlier interrupt: after this one it would take away its bit. One that
    // the guest makes from here on comes before it looks at what there is to be seen.
    settle()
    this.#status |= bit
    show()
    raise()
  }

  acknowledge(bits: number): void {
    this.#status &= ~bits
  }

  /** As saved, or after a reset: nobody is told. */
  set(status: number): void {
    this.#status = status
  }

  /** The edge of what was not acknowledged may have been on its way when it was saved. One too many is nothing to a driver. */
  repeat(): void {
    if (this.#status !== 0) this.#options.raise()
  }
}
