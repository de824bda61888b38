/**
 * Which sectors of a disk its overlay holds: a bit for each, so that no write ever has to copy what lies around it.
 * Kept in chunks that are made when they are first needed; a chunk stands for 16 MiB.
 */

const SECTOR = 512
export const CHUNK_BYTES = 4096
const CHUNK_SECTORS = CHUNK_BYTES * 8

export interface Run {
  readonly offset: number
  readonly length: number
  readonly held: boolean
}

export class BlockMap {
  readonly #chunks = new Map<number, Uint8Array>()
  readonly #dirty = new Set<number>()

  /** Offset and length are in bytes, and whole sectors. */
  add(offset: number, length: number): void {
    const end = (offset + length) / SECTOR
    for (let sector = offset / SECTOR; sector < end; ) {
      const index = Math.floor(sector / CHUNK_SECTORS)
      const stop = Math.min(end, (index + 1) * CHUNK_SECTORS)
      setBits(this.#chunk(index), sector % CHUNK_SECTORS, stop - index * CHUNK_SECTORS)
      this.#dirty.add(index)
      sector = stop
    }
  }

  /** The range in pieces, in order, each held or not as a whole. */
  *runs(offset: number, length: number): Generator<Run> {
    const end = (offset + length) / SECTOR
    for (let sector = offset / SECTOR; sector < end; ) {
      const held = this.#holds(sector)
      const from = sector
      do sector = this.#skip(sector, held)
      while (sector < end && this.#holds(sector) === held)
      sector = Math.min(sector, end)
      yield { offset: from * SECTOR, length: (sector - from) * SECTOR, held }
    }
  }

  /** Chunks changed since the last call. Their bytes are live. */
  takeDirty(): readonly { readonly index: number; readonly bytes: Uint8Array }[] {
    const taken = [...this.#dirty].map((index) => ({ index, bytes: this.#chunk(index) }))
    this.#dirty.clear()
    return taken
  }

  /** They could not be kept after all. */
  markDirty(index: number): void {
    this.#dirty.add(index)
  }

  load(index: number, bytes: Uint8Array): void {
    this.#chunks.set(index, bytes)
  }

  #holds(sector: number): boolean {
    const chunk = this.#chunks.get(Math.floor(sector / CHUNK_SECTORS))
    const at = sector % CHUNK_SECTORS
    return chunk !== undefined && (chunk[at >> 3]! & (1 << (at & 7))) !== 0
  }

  /** The next sector that may differ: whole chunks and bytes at once. */
  #skip(sector: number, held: boolean): number {
    const index = Math.floor(sector / CHUNK_SECTORS)
    const chunk = this.#chunks.get(index)
    if (!chunk) return (index + 1) * CHUNK_SECTORS
    const at = sector % CHUNK_SECTORS
    return (at & 7) === 0 && chunk[at >> 3] === (held ? 0xff : 0) ? sector + 8 : sector + 1
  }

  #chunk(index: number): Uint8Array {
    const chunk = this.#chunks.get(index) ?? new Uint8Array(CHUNK_BYTES)
    this.#chunks.set(index, chunk)
    return chunk
  }
}

function setBits(bytes: Uint8Array, from: number, to: number): void {
  let at = from
  for (; at < to && (at & 7) !== 0; at++) bytes[at >> 3]! |= 1 << (at & 7)
  const whole = to - ((to - at) & 7)
  if (whole > at) bytes.fill(0xff, at >> 3, whole >> 3)
  for (at = Math.max(at, whole); at < to; at++) bytes[at >> 3]! |= 1 << (at & 7)
}
