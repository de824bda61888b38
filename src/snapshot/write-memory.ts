/** Writes memory to files: all of it but zeros, or what differs from another one. In steps of a MiB. */
import { ftruncateSync, writeSync } from 'node:fs'
import { knownZero, type MemoryImage, type PageRange, readImage } from '../memory/memory-image.ts'
import { PAGE_SIZE } from '../memory/memory-map.ts'
import type { FrozenRam } from '../memory/ram.ts'
import { ChunkDigests, chunkCount, chunkLength, isZero, otherWork } from './chunk-digests.ts'
import { CHUNK_BYTES } from './manifest.ts'

/** Told after each step; throws to end the work. */
export type Step = () => void

/** @returns the digests, and the bytes that were written */
export async function writeAll(
  fd: number,
  image: MemoryImage,
  step: Step,
): Promise<{ digests: ChunkDigests; bytes: number }> {
  const { size } = image
  const digests = new ChunkDigests(chunkCount(size))
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  let bytes = 0
  ftruncateSync(fd, size)
  for (let index = 0; index < digests.count; index++) {
    const offset = index * CHUNK_BYTES
    const chunk = buffer.subarray(0, chunkLength(index, size))
    if (knownZero(image, offset, chunk.length)) continue
    readImage(image, offset, chunk)
    if (!isZero(chunk)) {
      digests.set(index, chunk)
      for (const { offset: at, length } of pageRuns(chunk, (page) => !isZero(page))) {
        writeAt(fd, chunk.subarray(at, at + length), offset + at)
        bytes += length
      }
    }
    await otherWork()
    step()
  }
  return { digests, bytes }
}

/** The pages that are not as they are in `base`, one after the other. */
export async function writeChanged(
  fd: number,
  {
    image,
    since,
    base,
  }: { readonly image: MemoryImage; readonly since: FrozenRam['since']; readonly base: MemoryImage },
  step: Step,
): Promise<{ digests: ChunkDigests; extents: readonly PageRange[]; bytes: number }> {
  const touched = since?.image.id !== undefined && since.image.id === base.id ? touchedChunks(since.written) : undefined
  const now = Buffer.allocUnsafe(CHUNK_BYTES)
  const before = Buffer.allocUnsafe(CHUNK_BYTES)
  const file = new PackedFile(fd)
  const extents: PageRange[] = []
  for (let index = 0; index < chunkCount(image.size); index++) {
    const offset = index * CHUNK_BYTES
    const length = chunkLength(index, image.size)
    if (touched && !touched.has(index)) continue
    if (knownZero(image, offset, length) && knownZero(base, offset, length)) continue
    const chunk = now.subarray(0, length)
    const old = before.subarray(0, length)
    readImage(image, offset, chunk)
    readImage(base, offset, old)
    if (!chunk.equals(old)) {
      for (const run of pageRuns(chunk, (page, at) => !old.subarray(at, at + page.length).equals(page))) {
        file.append(chunk.subarray(run.offset, run.offset + run.length))
        addRange(extents, { offset: offset + run.offset, length: run.length })
      }
    }
    await otherWork()
    step()
  }
  return { digests: file.end(), extents, bytes: file.bytes }
}

/** Collects whole chunks, and a digest of each. */
class PackedFile {
  bytes = 0
  readonly #fd: number
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  readonly #digests: Buffer[] = []
  #filled = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  append(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const taken = bytes.copy(this.#chunk, this.#filled, done)
      done += taken
      this.#filled += taken
      if (this.#filled === CHUNK_BYTES) this.#flush()
    }
  }

  end(): ChunkDigests {
    if (this.#filled > 0) this.#flush()
    return new ChunkDigests(this.#digests.length, Buffer.concat(this.#digests))
  }

  #flush(): void {
    const chunk = this.#chunk.subarray(0, this.#filled)
    const digest = new ChunkDigests(1)
    digest.set(0, chunk)
    this.#digests.push(digest.bytes)
    writeAt(this.#fd, chunk, this.bytes)
    this.bytes += chunk.length
    this.#filled = 0
  }
}

/** Neighbouring pages of a chunk that a test picks. */
function pageRuns(chunk: Buffer, picked: (page: Buffer, at: number) => boolean): PageRange[] {
  const runs: PageRange[] = []
  for (let at = 0; at < chunk.length; at += PAGE_SIZE) {
    if (picked(chunk.subarray(at, at + PAGE_SIZE), at)) addRange(runs, { offset: at, length: PAGE_SIZE })
  }
  return runs
}

function addRange(ranges: PageRange[], next: PageRange): void {
  const last = ranges.at(-1)
  if (last && last.offset + last.length === next.offset) {
    ranges[ranges.length - 1] = { offset: last.offset, length: last.length + next.length }
  } else ranges.push(next)
}

function touchedChunks(written: readonly PageRange[]): Set<number> {
  const chunks = new Set<number>()
  for (const { offset, length } of written) {
    for (let index = Math.floor(offset / CHUNK_BYTES); index * CHUNK_BYTES < offset + length; index++) chunks.add(index)
  }
  return chunks
}

function writeAt(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
}
