/**
 * The requests of a device that its backend works on. A driver may use its buffers for something else as soon as it has
 * written so (virtio 1.2 §2.4.1, §4.2.2.2), which the backend may not know yet; and what a driver that is gone asked for
 * must not come after what the next one asks for: that one waits.
 */
export class UnderWay {
  readonly #serve: () => void
  readonly #drain: () => void
  /** Those of a driver that is gone included. */
  #count = 0
  #leftovers = false
  #idleWaiters: (() => void)[] = []

  /**
   * @param drain lets go of buffers at once, where the backend can
   * @param serve looks at the queue again
   */
  constructor({ drain, serve }: { readonly drain: () => void; readonly serve: () => void }) {
    this.#drain = drain
    this.#serve = serve
  }

  /** Whether requests of a driver that is gone are left: the queue is not to be served. */
  get leftovers(): boolean {
    return this.#leftovers
  }

  begin(): void {
    this.#count++
  }

  end(): void {
    if (--this.#count > 0) return
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
    if (!this.#leftovers) return
    this.#leftovers = false
    this.#serve()
  }

  /** The driver has taken its buffers back. */
  letGo(): void {
    if (this.#count > 0) this.#drain()
    this.#leftovers = this.#count > 0
  }

  /** Resolves when the host no longer touches buffers of any driver. */
  async idle(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }
}
