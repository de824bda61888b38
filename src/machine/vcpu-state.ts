/**
 * What a vCPU is doing, what it was asked to do, and everybody who waits for it to stand still: the half of a runner
 * that does not depend on the thread. A pause and a stop may come at any moment, also from inside an exit handler.
 */

export interface VcpuMoves {
  /** Gets the thread out of the guest. Once it is out, the runner calls `settle`. */
  readonly kick: () => void
  /** Ends a vCPU that is paused; the runner calls `settle('stopped')`, now or later. */
  readonly leave: () => void
}

export class VcpuState {
  now: 'idle' | 'running' | 'pausing' | 'paused' | 'stopping' | 'stopped' = 'idle'
  readonly #moves: VcpuMoves
  /** Shared by all who wait: nobody hears of it before the vCPU is out. */
  #standstill: Promise<void> | undefined
  #reached: (() => void) | undefined

  constructor(moves: VcpuMoves) {
    this.#moves = moves
  }

  /** Resolves when the vCPU is paused, or has stopped instead. */
  async pause(): Promise<void> {
    if (this.now === 'running') {
      this.now = 'pausing'
      this.#moves.kick()
    }
    if (this.now === 'pausing' || this.now === 'stopping') await this.#settled()
  }

  async stop(): Promise<void> {
    const before = this.now
    if (before === 'stopped') return
    if (before === 'idle') {
      this.now = 'stopped'
      return
    }
    this.now = 'stopping'
    const stopped = this.#settled()
    if (before === 'running') this.#moves.kick()
    if (before === 'paused') this.#moves.leave()
    await stopped
  }

  /** The vCPU stands still. */
  settle(reached: 'paused' | 'stopped'): void {
    this.now = reached
    this.#reached?.()
    this.#standstill = this.#reached = undefined
  }

  #settled(): Promise<void> {
    this.#standstill ??= new Promise((resolve) => {
      this.#reached = resolve
    })
    return this.#standstill
  }
}
