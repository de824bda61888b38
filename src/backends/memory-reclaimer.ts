/** Gives guest memory that the guest does not need back to the host: what a balloon is for. */
import { addressOf } from '../../kvm-bindings/ffi.ts'
import { PAGE_SIZE } from '../memory/memory-map.ts'
import type { Ram, RamRegion } from '../memory/ram.ts'

export interface MemoryReclaimer {
  /**
   * Whole pages that lie in RAM; the rest of the range is left alone. The guest may find there what it had there once.
   * @returns bytes given back
   */
  release(gpa: number, length: number): number
  /** The same for a view of guest memory, which is not touched. What is given back reads as zeros from now on. */
  releaseView(bytes: Uint8Array): number
}

export interface RamReclaimer extends MemoryReclaimer {
  /** Devices are made before the memory they look after; until then there is nothing to give back. */
  bind(ram: Pick<Ram, 'regions' | 'discard'>): void
}

/** A stretch of addresses, in whichever space. */
interface Stretch {
  readonly start: number
  readonly end: number
}

export function createReclaimer(): RamReclaimer {
  let memory: Pick<Ram, 'regions' | 'discard'> | undefined
  const discard = (pagesOf: (region: RamRegion) => Stretch, contents: 'zeros' | 'any'): number => {
    let given = 0
    for (const region of memory?.regions ?? []) {
      const { start, end } = pagesOf(region)
      if (end > start) given += memory!.discard(region, start, end - start, contents)
    }
    return given
  }
  return {
    bind(ram) {
      memory = ram
    },
    release: (from, length) => discard(({ gpa, size }) => wholePages(from - gpa, length, size), 'any'),
    releaseView(bytes) {
      if (bytes.length === 0) return 0
      const at = addressOf(bytes)
      return discard(({ hva, size }) => wholePages(Number(at - hva), bytes.length, size), 'zeros')
    },
  }
}

/** The pages of a region that a range covers from end to end, as offsets. */
const wholePages = (offset: number, length: number, size: number): Stretch => ({
  start: Math.ceil(Math.max(offset, 0) / PAGE_SIZE) * PAGE_SIZE,
  end: Math.floor(Math.min(offset + length, size) / PAGE_SIZE) * PAGE_SIZE,
})
