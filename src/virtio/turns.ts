/**
 * Whose turn it is: queues waiting to be served, in order, each once. One run serves a bounded number; what is left
 * waits for the next turn of the event loop, so that no guest can starve another.
 */

export interface TurnsOptions {
  /** Serves one queue. @returns whether it ran out of budget and must come again, after others had their chance. */
  readonly serve: (index: number) => boolean
  /** After each run. */
  readonly done: () => void
  /** Runs a task in a later turn of the event loop. */
  readonly defer: (task: () => void) => void
}

/** Turns of all queues together in one run; queues that keep waking each other end up deferred. */
const RUN_TURNS = 64

export class Turns {
  readonly #options: TurnsOptions
  readonly #waiting: number[] = []
  readonly #again: number[] = []
  #running = false
  #held = false
  #deferred = false
  /** Changes when everything waiting is dropped. */
  #epoch = 0

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  /** Whether a run is under way: results are announced at its end. */
  get running(): boolean {
    return this.#running
  }

  /** One that ran out of its budget comes again in a later turn, and not before: kicks buy no more of it. */
  add(index: number): void {
    if (!this.#waiting.includes(index) && !this.#again.includes(index)) this.#waiting.push(index)
  }

  run(): void {
    if (this.#running || this.#held) return
    this.#running = true
    try {
      for (let turn = 0; turn < RUN_TURNS && this.#waiting.length > 0; turn++) {
        const epoch = this.#epoch
        const index = this.#waiting.shift()!
        if (!this.#options.serve(index) || epoch !== this.#epoch) continue
        // It may have asked for itself meanwhile.
        this.#remove(index)
        this.#again.push(index)
      }
    } finally {
      this.#running = false
    }
    this.#options.done()
    if (this.#waiting.length > 0 || this.#again.length > 0) this.runLater()
  }

  /** Serves until nothing is left, at most `limit` turns: for a guest that no longer runs. */
  runAll(limit: number): void {
    for (let left = limit; left > 0 && (this.#waiting.length > 0 || this.#again.length > 0); left -= RUN_TURNS) {
      for (const index of this.#again.splice(0)) this.add(index)
      this.run()
    }
  }

  /** From here on turns wait, until `release`. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.runLater()
  }

  clear(): void {
    this.#epoch++
    this.#waiting.length = 0
    this.#again.length = 0
  }

  #remove(index: number): void {
    const at = this.#waiting.indexOf(index)
    if (at >= 0) this.#waiting.splice(at, 1)
  }

  runLater(): void {
    if (this.#deferred) return
    this.#deferred = true
    this.#options.defer(() => {
      this.#deferred = false
      for (const index of this.#again.splice(0)) this.add(index)
      if (this.#waiting.length > 0) this.run()
    })
  }
}
