/**
 * A digest for every MiB of a large file, zeros for one that holds nothing but zeros: holes cost nothing to check, and the
 * work is done in steps, so that a VM in this process hardly notices.
 */
import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { nextData } from '../../kvm-bindings/sparse-file.ts'
import { CHUNK_BYTES } from './manifest.ts'

export const DIGEST_BYTES = 32

const NOTHING = Buffer.alloc(CHUNK_BYTES)
const NO_DIGEST = Buffer.alloc(DIGEST_BYTES)

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

export const isZero = (bytes: Uint8Array): boolean => NOTHING.compare(bytes, 0, bytes.length, 0, bytes.length) === 0

export const chunkCount = (bytes: number): number => Math.ceil(bytes / CHUNK_BYTES)

/** A list of digests while it is written or compared. */
export class ChunkDigests {
  readonly bytes: Buffer

  /** @param bytes a list that is there already */
  constructor(chunks: number, bytes: Buffer = Buffer.alloc(chunks * DIGEST_BYTES)) {
    this.bytes = bytes
  }

  get count(): number {
    return this.bytes.length / DIGEST_BYTES
  }

  /** Whether a chunk is known to be zeros. */
  isZero(index: number): boolean {
    return this.#at(index).equals(NO_DIGEST)
  }

  set(index: number, chunk: Uint8Array): void {
    createHash('sha256')
      .update(chunk)
      .digest()
      .copy(this.bytes, index * DIGEST_BYTES)
  }

  fits(index: number, chunk: Uint8Array): boolean {
    return createHash('sha256').update(chunk).digest().equals(this.#at(index))
  }

  #at(index: number): Buffer {
    return this.bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)
  }
}

/** Lets everything else of this process come in between. */
export const otherWork = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const chunkLength = (index: number, size: number): number => Math.min(CHUNK_BYTES, size - index * CHUNK_BYTES)

/** The digests of a file as it is now. @param step called before each piece of the work; throws when it is called off */
export async function digestFile(fd: number, size: number, step = () => {}): Promise<ChunkDigests> {
  const digests = new ChunkDigests(chunkCount(size))
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  const from = (index: number) =>
    Math.max(index, Math.floor((nextData(fd, index * CHUNK_BYTES) ?? size + CHUNK_BYTES) / CHUNK_BYTES))
  for (let index = from(0); index < digests.count; index = from(index + 1)) {
    step()
    const chunk = buffer.subarray(0, chunkLength(index, size))
    if (!readChunk(fd, index, chunk)) break
    if (!isZero(chunk)) digests.set(index, chunk)
    await otherWork()
  }
  return digests
}

/** @returns whether all of it was there */
export function readChunk(fd: number, index: number, chunk: Uint8Array): boolean {
  for (let done = 0; done < chunk.length; ) {
    const got = readSync(fd, chunk, done, chunk.length - done, index * CHUNK_BYTES + done)
    if (got === 0) return false
    done += got
  }
  return true
}
