/**
 * Guest-physical memory: the single gate from a guest address and length to host bytes.
 *
 * Everything a guest says about addresses passes here and is checked here: nothing else touches guest RAM.
 * Views handed out stay valid until the memory is unmapped, which its owner does only after every device
 * and vCPU has stopped.
 */

/** A guest-physical address: a safe, non-negative integer. */
export type Gpa = number

/** A stretch of RAM, contiguous in the guest and in the host. */
export interface MemoryRegion {
  readonly gpa: Gpa
  readonly size: number
  /** A live view of part of it. Asked for as little as is needed: see `WINDOW_SIZE`. */
  view(offset: number, length: number): Uint8Array
}

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
 * more than these gets one view of the region.
 */
const WINDOW_SIZE = 8 * 2 ** 20
const WINDOWS_MAX = 3

class MappedRegion {
  readonly gpa: Gpa
  readonly end: Gpa
  readonly #region: MemoryRegion
  readonly #windows: MemoryWindow[] = []

  constructor(region: MemoryRegion) {
    this.gpa = region.gpa
    this.end = region.gpa + region.size
    this.#region = region
  }

  holds(gpa: Gpa, length: number): boolean {
    return gpa >= this.gpa && length >= 0 && length <= this.end - gpa
  }

  /** @param length all of it lies in this region */
  window(gpa: Gpa, length: number): MemoryWindow {
    return this.#windows.find((window) => gpa >= window.gpa && length <= window.end - gpa) ?? this.#open(gpa, length)
  }

  #open(gpa: Gpa, length: number): MemoryWindow {
    const offset = Math.floor(Math.min(gpa - this.gpa, this.#region.size - 1) / WINDOW_SIZE) * WINDOW_SIZE
    const size = Math.min(WINDOW_SIZE, this.#region.size - offset)
    const fits = gpa - this.gpa + length <= offset + size
    const window =
      fits && this.#windows.length < WINDOWS_MAX
        ? createWindow(this.gpa + offset, this.#region.view(offset, size))
        : createWindow(this.gpa, this.#region.view(0, this.#region.size))
    this.#windows.unshift(window)
    return window
  }
}

const createWindow = (gpa: Gpa, bytes: Uint8Array): MemoryWindow => ({
  gpa,
  end: gpa + bytes.length,
  buffer: bytes.buffer,
  toHost: bytes.byteOffset - gpa,
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  u16: new Uint16Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 2)),
})

export class GuestMemory {
  readonly #regions: readonly MappedRegion[]
  readonly regions: readonly MemoryRegion[]

  constructor(regions: readonly MemoryRegion[]) {
    this.regions = [...regions].sort((a, b) => a.gpa - b.gpa)
    this.#regions = this.regions.map((region) => new MappedRegion(region))
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

  /** A window that holds all of `[gpa, gpa + length)`; undefined outside RAM or across two regions. */
  window(gpa: Gpa, length: number): MemoryWindow | undefined {
    return this.#find(gpa, length)?.window(gpa, length)
  }

  /** A live view, no copy. @throws GuestAddressError outside RAM or across two regions. */
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

  #find(gpa: Gpa, length: number): MappedRegion | undefined {
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
