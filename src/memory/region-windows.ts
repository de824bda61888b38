/**
 * How the host looks at a stretch of guest RAM: through a bounded number of views, opened when they are first needed
 * and kept.
 */
import type { Gpa } from './guest-memory.ts'

/** A stretch of RAM, contiguous in the guest and in the host. */
export interface MemoryRegion {
  readonly gpa: Gpa
  readonly size: number
  /** A live view of part of it. Asked for as little as is needed: see `WINDOW_SIZE` below. */
  view(offset: number, length: number): Uint8Array
}

/** Part of a region as it is seen by the host. The guest's byte `gpa` is the buffer's byte `gpa + toHost`. */
export interface MemoryWindow {
  readonly gpa: Gpa
  readonly end: Gpa
  readonly buffer: ArrayBufferLike
  readonly toHost: number
  readonly bytes: Uint8Array
  /** Byte 0 is the window's first, here and in `u16`. */
  readonly view: DataView
  readonly u16: Uint16Array
}

/**
 * V8 counts what a view covers as memory held, and collects garbage when 32 MiB are reached: some 5 ms of a cold
 * start for a view of a whole guest. A small guest is looked at through a few aligned windows instead; who needs
 * more than these gets blocks.
 */
const WINDOW_SIZE = 8 * 2 ** 20
const WINDOWS_MAX = 3

/**
 * A view may not exceed 4 GiB, so a large region is looked at in blocks. They begin at every half block: whatever is no
 * longer than half of one lies whole in one of them, wherever it begins.
 */
const BLOCK_SIZE = 2 ** 30
const HALF_BLOCK = BLOCK_SIZE / 2
const VIEW_MAX = 2 ** 32

export class RegionWindows {
  readonly gpa: Gpa
  readonly end: Gpa
  readonly #region: MemoryRegion
  readonly #windows: MemoryWindow[] = []
  /** By offset in half blocks. */
  readonly #blocks: (MemoryWindow | undefined)[] = []
  /** For one access that no block holds: the last such. */
  #long: MemoryWindow | undefined

  constructor(region: MemoryRegion) {
    this.gpa = region.gpa
    this.end = region.gpa + region.size
    this.#region = region
  }

  holds(gpa: Gpa, length: number): boolean {
    return gpa >= this.gpa && length >= 0 && length <= this.end - gpa
  }

  /** @param length all of it lies in this region. @returns undefined for what is longer than a view can be */
  window(gpa: Gpa, length: number): MemoryWindow | undefined {
    return (
      this.#windows.find((window) => covers(window, gpa, length)) ??
      this.#smallWindow(gpa, length) ??
      this.#block(gpa, length) ??
      this.#longWindow(gpa, length)
    )
  }

  #smallWindow(gpa: Gpa, length: number): MemoryWindow | undefined {
    if (this.#windows.length === WINDOWS_MAX) return undefined
    const offset = alignDown(this.#offset(gpa), WINDOW_SIZE)
    if (gpa - this.gpa + length > offset + WINDOW_SIZE) return undefined
    const window = this.#open(offset, WINDOW_SIZE)
    this.#windows.push(window)
    return window
  }

  #block(gpa: Gpa, length: number): MemoryWindow | undefined {
    const first = alignDown(this.#offset(gpa), BLOCK_SIZE)
    const crosses = gpa - this.gpa + length > first + BLOCK_SIZE
    const offset = crosses ? first + HALF_BLOCK : first
    if (gpa - this.gpa < offset || gpa - this.gpa + length > offset + BLOCK_SIZE) return undefined
    const index = offset / HALF_BLOCK
    this.#blocks[index] ??= this.#open(offset, BLOCK_SIZE)
    return this.#blocks[index]
  }

  #longWindow(gpa: Gpa, length: number): MemoryWindow | undefined {
    if (this.#long && covers(this.#long, gpa, length)) return this.#long
    // Even, for the sake of `u16`.
    const offset = alignDown(gpa - this.gpa, 2)
    const size = Math.ceil(gpa - this.gpa + length) - offset
    if (size > VIEW_MAX) return undefined
    this.#long = this.#open(offset, size)
    return this.#long
  }

  /** Of the byte at `gpa`; of the last one for an empty range at the very end. */
  #offset(gpa: Gpa): number {
    return Math.min(gpa - this.gpa, this.#region.size - 1)
  }

  #open(offset: number, size: number): MemoryWindow {
    return createWindow(this.gpa + offset, this.#region.view(offset, Math.min(size, this.#region.size - offset)))
  }
}

const alignDown = (value: number, unit: number) => Math.floor(value / unit) * unit

const covers = (window: MemoryWindow, gpa: Gpa, length: number) => gpa >= window.gpa && length <= window.end - gpa

const createWindow = (gpa: Gpa, bytes: Uint8Array): MemoryWindow => ({
  gpa,
  end: gpa + bytes.length,
  buffer: bytes.buffer,
  toHost: bytes.byteOffset - gpa,
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  u16: new Uint16Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 2)),
})
