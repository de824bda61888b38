/**
 * Guest-physical memory: the single gate from a guest address and length to host bytes.
 *
 * Everything a guest says about addresses passes here and is checked here: nothing else touches guest RAM.
 * Views handed out stay valid until the memory is unmapped, which its owner does only after every device
 * and vCPU has stopped.
 */

import { type MemoryRegion, type MemoryWindow, RegionWindows } from './region-windows.ts'

/** A guest-physical address: a safe, non-negative integer. */
export type Gpa = number

/** The guest named memory that it does not have. */
export class GuestAddressError extends Error {
  override readonly name = 'GuestAddressError'
  readonly gpa: Gpa
  readonly length: number

  constructor(gpa: Gpa, length: number) {
    super(`guest-physical 0x${gpa.toString(16)} + ${length} bytes is not RAM`)
    this.gpa = gpa
    this.length = length
  }
}

export class GuestMemory {
  readonly #regions: readonly RegionWindows[]
  readonly regions: readonly MemoryRegion[]

  constructor(regions: readonly MemoryRegion[]) {
    this.regions = [...regions].sort((a, b) => a.gpa - b.gpa)
    this.#regions = this.regions.map((region) => new RegionWindows(region))
  }

  /** Memory over arrays that exist already. */
  static over(parts: readonly { readonly gpa: Gpa; readonly bytes: Uint8Array }[]): GuestMemory {
    return new GuestMemory(
      parts.map(({ gpa, bytes }) => ({
        gpa,
        size: bytes.length,
        view: (offset, length) => bytes.subarray(offset, offset + length),
      })),
    )
  }

  /** Bytes of RAM in all regions. */
  get size(): number {
    return this.regions.reduce((sum, region) => sum + region.size, 0)
  }

  /** Whether all of `[gpa, gpa + length)` is RAM of one region. Any number is a fit question: NaN and 2^64 answer false. */
  contains(gpa: Gpa, length: number): boolean {
    return this.#find(gpa, length) !== undefined
  }

  /**
   * A window that holds all of `[gpa, gpa + length)`; undefined outside RAM, across two regions, or for more than the
   * 4 GiB that a view can hold.
   */
  window(gpa: Gpa, length: number): MemoryWindow | undefined {
    return this.#find(gpa, length)?.window(gpa, length)
  }

  /** A live view, no copy. @throws GuestAddressError where `window` has none. */
  bytes(gpa: Gpa, length: number): Uint8Array {
    const window = this.#window(gpa, length)
    return window.bytes.subarray(gpa - window.gpa, gpa - window.gpa + length)
  }

  readU16(gpa: Gpa): number {
    const window = this.#window(gpa, 2)
    return window.view.getUint16(gpa - window.gpa, true)
  }

  readU32(gpa: Gpa): number {
    const window = this.#window(gpa, 4)
    return window.view.getUint32(gpa - window.gpa, true)
  }

  readU64(gpa: Gpa): bigint {
    const window = this.#window(gpa, 8)
    return window.view.getBigUint64(gpa - window.gpa, true)
  }

  writeU16(gpa: Gpa, value: number): void {
    const window = this.#window(gpa, 2)
    window.view.setUint16(gpa - window.gpa, value, true)
  }

  writeU32(gpa: Gpa, value: number): void {
    const window = this.#window(gpa, 4)
    window.view.setUint32(gpa - window.gpa, value, true)
  }

  writeU64(gpa: Gpa, value: bigint): void {
    const window = this.#window(gpa, 8)
    window.view.setBigUint64(gpa - window.gpa, value, true)
  }

  /** A sequentially consistent load of an aligned ring index: what the other side published before it is visible after. */
  loadU16(gpa: Gpa): number {
    const window = this.#aligned(gpa)
    return Atomics.load(window.u16, (gpa - window.gpa) / 2)
  }

  /** A sequentially consistent store: orders "publish the index, then look at the suppression field". */
  storeU16(gpa: Gpa, value: number): void {
    const window = this.#aligned(gpa)
    Atomics.store(window.u16, (gpa - window.gpa) / 2, value)
  }

  #find(gpa: Gpa, length: number): RegionWindows | undefined {
    return this.#regions.find((region) => region.holds(gpa, length))
  }

  #window(gpa: Gpa, length: number): MemoryWindow {
    const window = this.window(gpa, length)
    if (!window) throw new GuestAddressError(gpa, length)
    return window
  }

  #aligned(gpa: Gpa): MemoryWindow {
    const window = this.#window(gpa, 2)
    if (gpa % 2 !== 0) throw new GuestAddressError(gpa, 2)
    return window
  }
}
