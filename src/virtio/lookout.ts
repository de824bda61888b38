/**
 * Whether it pays to look for the next request for a moment after one was answered at once: a driver that waits for each
 * answer sends the next within microseconds, and a kick costs it an exit and us a turn of the event loop. The moment
 * shrinks to nothing while it is in vain and is tried again now and then, so an idle or a slow guest costs nothing.
 * Linux's haltpoll governor and QEMU's poll-max-ns do the same.
 */

/** Longest look, milliseconds: about what a wake-up costs. */
const LOOK_MAX_MS = 0.05
/** Others of this event loop have waited long enough by then. */
const RUN_MAX_MS = 1
/** Kicks until the longest look is tried again. */
const AGAIN = 8

export interface Watched {
  /** Turns kicks off, and says whether there is anything to look for: nothing under way that answers later. */
  begin(): boolean
  /** Something came. */
  arrived(): boolean
  /** Turns kicks on again; what came in between is seen by `arrived`. */
  end(): void
  /** Serves what came. */
  serve(): void
}

export class Lookout {
  #lookMs = LOOK_MAX_MS
  #kicks = 0
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** After a kick has been served. */
  watch(queue: Watched): void {
    if (++this.#kicks % AGAIN === 0) this.#lookMs = LOOK_MAX_MS
    if (this.#lookMs === 0) return
    const stop = this.#now() + RUN_MAX_MS
    while (queue.begin()) {
      const found = this.#look(queue)
      if (!found) queue.end()
      this.#lookMs = found ? LOOK_MAX_MS : shrunk(this.#lookMs)
      // What came while kicks were being turned on has no kick of its own.
      if (!found && !queue.arrived()) return
      queue.serve()
      if (this.#now() < stop) continue
      queue.end()
      if (queue.arrived()) queue.serve()
      return
    }
  }

  #look(queue: Watched): boolean {
    const end = this.#now() + this.#lookMs
    while (!queue.arrived()) if (this.#now() >= end) return false
    return true
  }
}

/** Three looks in vain end it. */
const shrunk = (ms: number): number => (ms > LOOK_MAX_MS / 16 ? ms / 4 : 0)
