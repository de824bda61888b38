/** Which pages a diff has, in the order of its file: pairs of a page's number and a count, 32 bits each, little-endian. */
import type { ImagePiece, PageRange } from '../memory/memory-image.ts'
import { PAGE_SIZE } from '../memory/memory-map.ts'

const PAIR_BYTES = 8

export function encodeExtents(ranges: readonly PageRange[]): Buffer {
  const bytes = Buffer.alloc(ranges.length * PAIR_BYTES)
  for (const [index, { offset, length }] of ranges.entries()) {
    bytes.writeUInt32LE(offset / PAGE_SIZE, index * PAIR_BYTES)
    bytes.writeUInt32LE(length / PAGE_SIZE, index * PAIR_BYTES + 4)
  }
  return bytes
}

/** As pieces of the file. Undefined where they are not in order, overlap, or are not the pages of such files. */
export function decodeExtents(
  bytes: Buffer,
  { fd, fileBytes, memoryBytes }: { readonly fd: number; readonly fileBytes: number; readonly memoryBytes: number },
): ImagePiece[] | undefined {
  if (bytes.length % PAIR_BYTES !== 0) return undefined
  const pieces: ImagePiece[] = []
  let end = 0
  let at = 0
  for (let pair = 0; pair < bytes.length; pair += PAIR_BYTES) {
    const offset = bytes.readUInt32LE(pair) * PAGE_SIZE
    const length = bytes.readUInt32LE(pair + 4) * PAGE_SIZE
    if (offset < end || length === 0 || offset + length > memoryBytes) return undefined
    pieces.push({ offset, length, fd, at })
    end = offset + length
    at += length
  }
  return at === fileBytes ? pieces : undefined
}
