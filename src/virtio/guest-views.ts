/**
 * Where a guest-physical range lies in host memory: the buffer, a DataView of its region, and an offset.
 * Rings and descriptors are read through it without an allocation or an exception per access.
 */
import type { Gpa, GuestMemory } from '../memory/guest-memory.ts'

/** A region of guest RAM with the view that reads it. */
export interface GuestRegion {
  readonly gpa: Gpa
  readonly end: Gpa
  /** The host memory behind it: the guest's byte `gpa` is the buffer's byte `gpa + toHost`. */
  readonly buffer: ArrayBufferLike
  readonly toHost: number
  /** Its byte 0 is the region's first. */
  readonly view: DataView
}

export class GuestViews {
  readonly #regions: readonly GuestRegion[]
  #last: GuestRegion | undefined

  constructor(memory: GuestMemory) {
    this.#regions = memory.regions.map(({ gpa, bytes }) => ({
      gpa,
      end: gpa + bytes.length,
      buffer: bytes.buffer,
      toHost: bytes.byteOffset - gpa,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    }))
  }

  /** The region that holds all of `[gpa, gpa + length)`. Both are non-negative safe integers. */
  find(gpa: Gpa, length: number): GuestRegion | undefined {
    // Most guests keep rings and buffers in one region: ask the one that answered last.
    const last = this.#last
    if (last !== undefined && gpa >= last.gpa && gpa <= last.end && length <= last.end - gpa) return last
    for (const region of this.#regions) {
      // Subtracting cannot overflow where adding could.
      if (gpa >= region.gpa && gpa <= region.end && length <= region.end - gpa) {
        this.#last = region
        return region
      }
    }
    return undefined
  }
}
