/**
 * Free pages that a driver reports as buffers: given back a slice at a time, since the host takes milliseconds for tens
 * of megabytes and one report may name all memory, several times over. virtio 1.2 §5.5.6.7
 */
import type { MemoryReclaimer } from '../backends/memory-reclaimer.ts'
import type { Chain } from '../virtio/chain.ts'

/** What goes back in one turn of the event loop. */
export const SLICE_BYTES = 4 * 2 ** 20
const PAGE_BYTES = 4096

export class FreePageReport {
  readonly chain: Chain
  /** The next byte to give back: the segment, and where in it. */
  #segment = 0
  #at = 0

  constructor(chain: Chain) {
    this.chain = chain
  }

  get done(): boolean {
    return this.#segment === this.chain.writable.length
  }

  /** @returns the bytes it went on by: `most`, up to the end of a page, unless it is done */
  release(reclaimer: MemoryReclaimer, most: number): number {
    let count = 0
    while (!this.done && count < most) {
      const segment = this.chain.writable[this.#segment]!
      // Guest memory begins on a page: one that lay in two slices would be given back by neither.
      const end = Math.ceil((segment.byteOffset + this.#at + most - count) / PAGE_BYTES) * PAGE_BYTES
      const part = segment.subarray(this.#at, end - segment.byteOffset)
      reclaimer.releaseView(part)
      count += part.length
      this.#at += part.length
      if (this.#at < segment.length) continue
      this.#segment++
      this.#at = 0
    }
    return count
  }
}
