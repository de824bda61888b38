/**
 * The contents of a guest's memory at one moment, as pieces of files that do not change: a snapshot's, a chain of
 * them, or a memory that was frozen. Offsets count RAM alone, region after region, as a memfd holds it.
 */
import { readSync } from 'node:fs'

export interface ImagePiece {
  readonly offset: number
  readonly length: number
  /** Zeros where there is none. Stays open as long as somebody means to map or read the image. */
  readonly fd?: number
  /** Where the piece begins in that file. */
  readonly at: number
}

export interface MemoryImage {
  /** What it is an image of; two of one name are the same. */
  readonly id?: string
  readonly size: number
  /** In order, without gaps, of whole pages but for the last. */
  readonly pieces: readonly ImagePiece[]
  /** Keeps its files open until the function returned is called, whoever else closes it. */
  keep?(): () => void
}

/** A stretch of offsets. */
export interface PageRange {
  readonly offset: number
  readonly length: number
}

/** The parts of pieces that lie in a stretch, in order. */
export function piecesIn({ pieces }: MemoryImage, offset: number, length: number): ImagePiece[] {
  const end = offset + length
  const found: ImagePiece[] = []
  for (let index = indexAt(pieces, offset); index < pieces.length; index++) {
    const piece = pieces[index]!
    if (piece.offset >= end) break
    found.push(part(piece, offset, end))
  }
  return found
}

/** The image with other pieces in place of what it has there. They are in order and do not overlap. */
export function overlay(image: MemoryImage, upper: readonly ImagePiece[]): MemoryImage {
  const pieces: ImagePiece[] = []
  const show = (from: number, to: number) => {
    for (const piece of piecesIn(image, from, to - from)) append(pieces, piece)
  }
  let at = 0
  for (const piece of upper) {
    if (piece.offset > at) show(at, piece.offset)
    append(pieces, piece)
    at = piece.offset + piece.length
  }
  if (at < image.size) show(at, image.size)
  return { size: image.size, pieces }
}

/** @throws RangeError when a file is shorter than the image says. */
export function readImage(image: MemoryImage, offset: number, bytes: Uint8Array): void {
  for (const { offset: from, length, fd, at } of piecesIn(image, offset, bytes.length)) {
    const target = bytes.subarray(from - offset, from - offset + length)
    if (fd === undefined) target.fill(0)
    else readAll(fd, target, at)
  }
}

/** Whether a stretch is known to be zeros without a look at it. */
export const knownZero = (image: MemoryImage, offset: number, length: number): boolean =>
  piecesIn(image, offset, length).every(({ fd }) => fd === undefined)

function readAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(fd, bytes, done, bytes.length - done, at + done)
    if (got === 0) throw new RangeError('the file of a memory image has become shorter')
    done += got
  }
}

/** Index of the piece that holds an offset. */
function indexAt(pieces: readonly ImagePiece[], offset: number): number {
  let low = 0
  let high = pieces.length
  while (low < high) {
    const middle = (low + high) >> 1
    const { offset: from, length } = pieces[middle]!
    if (from + length <= offset) low = middle + 1
    else high = middle
  }
  return low
}

function part({ offset, length, fd, at }: ImagePiece, from: number, to: number): ImagePiece {
  const begin = Math.max(offset, from)
  const end = Math.min(offset + length, to)
  return { offset: begin, length: end - begin, ...(fd !== undefined && { fd }), at: at + begin - offset }
}

/** Neighbours that go on in the same file, or are zeros both, are one. */
function append(pieces: ImagePiece[], next: ImagePiece): void {
  const last = pieces.at(-1)
  const goesOn = last && last.fd === next.fd && (last.fd === undefined || last.at + last.length === next.at)
  if (goesOn) pieces[pieces.length - 1] = { ...last, length: last.length + next.length }
  else pieces.push(next)
}
