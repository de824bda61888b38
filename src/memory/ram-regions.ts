/** Stretches of guest RAM as they are mapped here, and the anonymous files behind them. */
import { MAP_FIXED, MAP_NORESERVE, MFD_CLOEXEC, PROT_READ, PROT_WRITE } from '../../kvm-bindings/constants.ts'
import { close, ftruncate, memfdCreate, mmap } from '../../kvm-bindings/ffi.ts'
import { pwriteFrom } from '../../kvm-bindings/sparse-file.ts'
import type { Gpa } from './guest-memory.ts'
import type { PageRange } from './memory-image.ts'
import { writtenPages } from './written-pages.ts'

export interface RamRegion {
  readonly gpa: Gpa
  readonly size: number
  /** Host virtual address; only KVM's memory slots and FFI calls see it. */
  readonly hva: bigint
}

export interface MappedRegion extends RamRegion {
  /** In a memfd, and in images. */
  readonly offset: number
}

/** Zeros, and nothing of it there yet. */
export function newFile(size: number): number {
  const fd = memfdCreate('cloister-ram', MFD_CLOEXEC)
  try {
    ftruncate(fd, size)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** @param kind MAP_SHARED or MAP_PRIVATE @param at where, in place of what is mapped there */
export const mapFile = (fd: number, kind: number, offset: number, size: number, at?: bigint): bigint =>
  mmap(size, PROT_READ | PROT_WRITE, kind | MAP_NORESERVE | (at === undefined ? 0 : MAP_FIXED), fd, offset, at)

/** What was written of private mappings, as offsets. */
export const writtenRanges = (regions: readonly MappedRegion[]): PageRange[] =>
  regions.flatMap(({ hva, size, offset }) =>
    writtenPages(hva, size).map((range) => ({ offset: offset + range.offset, length: range.length })),
  )

/** Copies ranges, none of them across regions, to the same offsets of a file. */
export function copyRanges(regions: readonly MappedRegion[], ranges: readonly PageRange[], fd: number): void {
  for (const { offset, length } of ranges) {
    const region = regions.findLast((one) => one.offset <= offset)!
    pwriteFrom(fd, region.hva + BigInt(offset - region.offset), length, offset)
  }
}
