/** A file with holes as an image: its holes are zeros that nobody need read. */
import { nextData, nextHole } from '../../kvm-bindings/sparse-file.ts'
import type { ImagePiece, MemoryImage } from './memory-image.ts'

/** A hole smaller than this is read like anything else; bounds the pieces of a fragmented file. */
const HOLE_MIN = 1024 * 1024

/** The whole file, of `size` bytes, which does not change. */
export function sparseImage(fd: number, size: number): MemoryImage {
  const pieces: ImagePiece[] = []
  let at = 0
  while (at < size) {
    const data = Math.min(nextData(fd, at) ?? size, size)
    if (data - at >= HOLE_MIN || data === size) push(pieces, at, data, undefined)
    else push(pieces, at, data, fd)
    if (data === size) break
    at = Math.min(nextHole(fd, data) ?? size, size)
    push(pieces, data, at, fd)
  }
  return { size, pieces }
}

/** Grows the last piece where it can. */
function push(pieces: ImagePiece[], from: number, to: number, fd: number | undefined): void {
  if (to <= from) return
  const last = pieces.at(-1)
  if (last && last.fd === fd) pieces[pieces.length - 1] = { ...last, length: to - last.offset }
  else pieces.push({ offset: from, length: to - from, ...(fd !== undefined && { fd }), at: from })
}
