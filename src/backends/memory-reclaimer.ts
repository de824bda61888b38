/** Gives guest memory that the guest does not need back to the host: what a balloon is for. */
import { addressOf } from '../../kvm-bindings/ffi.ts'
import { discardPages } from '../../kvm-bindings/memory-advice.ts'
import { PAGE_SIZE } from '../memory/memory-map.ts'
import type { Ram } from '../memory/ram.ts'

export interface MemoryReclaimer {
  /** Whole pages that lie in RAM; the rest of the range is left alone. They read as zeros from now on. @returns bytes */
  release(gpa: number, length: number): number
  /** The same for a view of guest memory, which is not touched. */
  releaseView(bytes: Uint8Array): number
}

export interface RamReclaimer extends MemoryReclaimer {
  /** Devices are made before the memory they look after; until then there is nothing to give back. */
  bind(ram: Pick<Ram, 'regions'>): void
}

/** A stretch of addresses, in whichever space. */
interface Stretch {
  readonly start: number
  readonly end: number
}

export function createReclaimer(): RamReclaimer {
  let regions: Ram['regions'] = []
  const discard = (hva: bigint, { start, end }: Stretch): number => {
    if (end <= start) return 0
    discardPages(hva + BigInt(start), end - start)
    return end - start
  }
  return {
    bind(ram) {
      regions = ram.regions
    },
    release: (from, length) =>
      regions.reduce((sum, { gpa, size, hva }) => sum + discard(hva, wholePages(from - gpa, length, size)), 0),
    releaseView(bytes) {
      if (bytes.length === 0) return 0
      const at = addressOf(bytes)
      return regions.reduce(
        (sum, { size, hva }) => sum + discard(hva, wholePages(Number(at - hva), bytes.length, size)),
        0,
      )
    },
  }
}

/** The pages of a region that a range covers from end to end, as offsets. */
const wholePages = (offset: number, length: number, size: number): Stretch => ({
  start: Math.ceil(Math.max(offset, 0) / PAGE_SIZE) * PAGE_SIZE,
  end: Math.floor(Math.min(offset + length, size) / PAGE_SIZE) * PAGE_SIZE,
})
