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
  readonly bytes: Uint8Array
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

interface MappedRegion extends MemoryRegion {
  readonly end: Gpa
  readonly view: DataView
  readonly u16: Uint16Array
}

export class GuestMemory {
  readonly #regions: MappedRegion[]

  constructor(regions: readonly MemoryRegion[]) {
    this.#regions = regions
      .map(({ gpa, bytes }) => ({
        gpa,
        bytes,
        end: gpa + bytes.length,
        view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
        u16: new Uint16Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 2)),
      }))
      .sort((a, b) => a.gpa - b.gpa)
  }

  get regions(): readonly MemoryRegion[] {
    return this.#regions
  }

  /** Bytes of RAM in all regions. */
  get size(): number {
    return this.#regions.reduce((sum, region) => sum + region.bytes.length, 0)
  }

  /** Whether all of `[gpa, gpa + length)` is RAM of one region. Any number is a fit question: NaN and 2^64 answer false. */
  contains(gpa: Gpa, length: number): boolean {
    return this.#find(gpa, length) !== undefined
  }

  /** A live view, no copy. @throws GuestAddressError outside RAM or across two regions. */
  bytes(gpa: Gpa, length: number): Uint8Array {
    const region = this.#region(gpa, length)
    return region.bytes.subarray(gpa - region.gpa, gpa - region.gpa + length)
  }

  readU16(gpa: Gpa): number {
    const region = this.#region(gpa, 2)
    return region.view.getUint16(gpa - region.gpa, true)
  }

  readU32(gpa: Gpa): number {
    const region = this.#region(gpa, 4)
    return region.view.getUint32(gpa - region.gpa, true)
  }

  readU64(gpa: Gpa): bigint {
    const region = this.#region(gpa, 8)
    return region.view.getBigUint64(gpa - region.gpa, true)
  }

  writeU16(gpa: Gpa, value: number): void {
    const region = this.#region(gpa, 2)
    region.view.setUint16(gpa - region.gpa, value, true)
  }

  writeU32(gpa: Gpa, value: number): void {
    const region = this.#region(gpa, 4)
    region.view.setUint32(gpa - region.gpa, value, true)
  }

  writeU64(gpa: Gpa, value: bigint): void {
    const region = this.#region(gpa, 8)
    region.view.setBigUint64(gpa - region.gpa, value, true)
  }

  /** A sequentially consistent load of an aligned ring index: what the other side published before it is visible after. */
  loadU16(gpa: Gpa): number {
    const region = this.#aligned(gpa)
    return Atomics.load(region.u16, (gpa - region.gpa) / 2)
  }

  /** A sequentially consistent store: orders "publish the index, then look at the suppression field". */
  storeU16(gpa: Gpa, value: number): void {
    const region = this.#aligned(gpa)
    Atomics.store(region.u16, (gpa - region.gpa) / 2, value)
  }

  #find(gpa: Gpa, length: number): MappedRegion | undefined {
    return this.#regions.find((region) => gpa >= region.gpa && length >= 0 && length <= region.end - gpa)
  }

  #region(gpa: Gpa, length: number): MappedRegion {
    const region = this.#find(gpa, length)
    if (!region) throw new GuestAddressError(gpa, length)
    return region
  }

  #aligned(gpa: Gpa): MappedRegion {
    const region = this.#region(gpa, 2)
    if (gpa % 2 !== 0) throw new GuestAddressError(gpa, 2)
    return region
  }
}
