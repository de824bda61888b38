/**
 * Where a guest-physical range lies in host memory: the buffer, a DataView, and an offset.
 * Rings and descriptors are read through it without an allocation or an exception per access.
 */
import type { Gpa, GuestMemory } from '../memory/guest-memory.ts'
import type { MemoryWindow } from '../memory/region-windows.ts'

export class GuestViews {
  readonly #memory: GuestMemory
  #last: MemoryWindow | undefined

  constructor(memory: GuestMemory) {
    this.#memory = memory
  }

  /** A window that holds all of `[gpa, gpa + length)`. Both are non-negative safe integers. */
  find(gpa: Gpa, length: number): MemoryWindow | undefined {
    // Most guests keep rings and buffers close together: ask the window that answered last.
    // Subtracting cannot overflow where adding could.
    const last = this.#last
    if (last !== undefined && gpa >= last.gpa && gpa <= last.end && length <= last.end - gpa) return last
    const found = this.#memory.window(gpa, length)
    if (found !== undefined) this.#last = found
    return found
  }
}
