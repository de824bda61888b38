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
import { type MemoryImage, piecesIn } from './memory-image.ts'

const ACCESS = PROT_READ | PROT_WRITE
const PRIVATE = MAP_PRIVATE | MAP_NORESERVE

/** A piece below this is read at once: a mapping of its own costs the kernel more. */
const MAPPED_MIN = 64 * 1024
/** A process may have 65,530 mappings (vm.max_map_count), and may hold dozens of guests. */
const MAPPINGS_MAX = 512

/** Maps `size` bytes of the image from `offset` on. @returns where */
export function mapImage(image: MemoryImage, offset: number, size: number): bigint {
  const pieces = piecesIn(image, offset, size)
  const [only] = pieces
  if (pieces.length === 1 && only?.fd !== undefined) return mmap(size, ACCESS, PRIVATE, only.fd, only.at)
  const address = mapZeros(size)
  try {
    let mappings = 0
    for (const { offset: from, length, fd, at } of pieces) {
      if (fd === undefined) continue
      const place = address + BigInt(from - offset)
      if (length >= MAPPED_MIN && mappings++ < MAPPINGS_MAX) mmap(length, ACCESS, PRIVATE | MAP_FIXED, fd, at, place)
      else preadInto(fd, place, length, at)
    }
    return address
  } catch (error) {
    munmap(address, size)
    throw error
  }
}

/** Memory of nobody, zeros until it is written. @param at where, in place of what is mapped there */
export const mapZeros = (size: number, at?: bigint): bigint =>
  mmap(size, ACCESS, PRIVATE | MAP_ANONYMOUS | (at === undefined ? 0 : MAP_FIXED), -1, 0, at)
