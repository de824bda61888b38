/** Maps an image of memory copy-on-write: nothing is read or copied, and whoever maps it shares the page cache. mmap(2) */
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from '../../kvm-bindings/constants.ts'
import { mmap, munmap, preadInto } from '../../kvm-bindings/ffi.ts'
import { useSmallPages } from '../../kvm-bindings/memory-advice.ts'
import { type MemoryImage, type PageRange, piecesIn } from './memory-image.ts'

const ACCESS = PROT_READ | PROT_WRITE
const PRIVATE = MAP_PRIVATE | MAP_NORESERVE

/** A piece below this is read at once: a mapping of its own costs the kernel more. */
const MAPPED_MIN = 64 * 1024
/** A process may have 65,530 mappings (vm.max_map_count), and may hold dozens of guests. */
const MAPPINGS_MAX = 512

export interface MappedImage {
  readonly address: bigint
  /** What was copied instead: behind these pages there is nothing of the image. As offsets in it. */
  readonly copied: readonly PageRange[]
}

/** Maps `size` bytes of the image from `offset` on. */
export function mapImage(image: MemoryImage, offset: number, size: number): MappedImage {
  const pieces = piecesIn(image, offset, size)
  const [only] = pieces
  if (pieces.length === 1 && only?.fd !== undefined) {
    return { address: mmap(size, ACCESS, PRIVATE, only.fd, only.at), copied: [] }
  }
  const address = mapZeros(size)
  try {
    const copied: PageRange[] = []
    let mappings = 0
    for (const { offset: from, length, fd, at } of pieces) {
      if (fd === undefined) continue
      const place = address + BigInt(from - offset)
      if (length >= MAPPED_MIN && mappings++ < MAPPINGS_MAX) mmap(length, ACCESS, PRIVATE | MAP_FIXED, fd, at, place)
      else {
        preadInto(fd, place, length, at)
        copied.push({ offset: from, length })
      }
    }
    return { address, copied }
  } catch (error) {
    munmap(address, size)
    throw error
  }
}

/** Memory of nobody, zeros until it is written. @param at where, in place of what is mapped there */
export function mapZeros(size: number, at?: bigint): bigint {
  const address = mmap(size, ACCESS, PRIVATE | MAP_ANONYMOUS | (at === undefined ? 0 : MAP_FIXED), -1, 0, at)
  // Where the host hands out huge pages by itself, a byte written would cost 2 MiB, and one read count as as much written.
  useSmallPages(address, size)
  return address
}
