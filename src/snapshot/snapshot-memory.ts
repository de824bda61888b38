/** The memory of a snapshot: its digests, what of it is there to be mapped, and whether it is what was written. */
import type { ImagePiece } from '../memory/memory-image.ts'
import { ChunkDigests, chunkCount, chunkLength, DIGEST_BYTES, otherWork, readChunk } from './chunk-digests.ts'
import { CHUNK_BYTES, FILES, type SnapshotManifest } from './manifest.ts'
import { decodeExtents } from './page-extents.ts'
import type { OpenFile, SnapshotFiles } from './snapshot-files.ts'

/** Of its page list: a pair for every other page, in each MiB. */
const EXTENT_BYTES_MAX = 1024

export interface OpenMemory {
  readonly file: OpenFile
  readonly digests: ChunkDigests
  /** What it puts over its base, or over zeros. */
  readonly pieces: readonly ImagePiece[]
}

export function openMemory(
  files: SnapshotFiles,
  { memory, machine }: SnapshotManifest,
  closers: (() => void)[],
): OpenMemory {
  const chunks = chunkCount(memory.bytes)
  const list = { bytes: chunks * DIGEST_BYTES, sha256: memory.sha256 }
  const digests = new ChunkDigests(chunks, files.readExactly(FILES.memoryDigests, list, list.bytes))
  const file = files.openSized(FILES.memory, memory.bytes, closers)
  if (!memory.extents) return { file, digests, pieces: dataPieces(file.fd, memory.bytes, digests) }
  const extents = files.readExactly(
    FILES.memoryExtents,
    memory.extents,
    chunkCount(machine.memoryBytes) * EXTENT_BYTES_MAX,
  )
  const pieces = decodeExtents(extents, { fd: file.fd, fileBytes: memory.bytes, memoryBytes: machine.memoryBytes })
  if (!pieces) throw files.refusal('its list of pages is none')
  return { file, digests, pieces }
}

/** What is no zeros, a mapping each at most. */
function dataPieces(fd: number, size: number, digests: ChunkDigests): ImagePiece[] {
  const pieces: ImagePiece[] = []
  for (let index = 0; index < digests.count; index++) {
    if (digests.isZero(index)) continue
    const first = index
    while (index + 1 < digests.count && !digests.isZero(index + 1)) index++
    const offset = first * CHUNK_BYTES
    pieces.push({ offset, length: index * CHUNK_BYTES + chunkLength(index, size) - offset, fd, at: offset })
  }
  return pieces
}

/** Zeros are not looked at where nobody reads them from the file. */
export async function checkMemory(
  files: SnapshotFiles,
  { file, digests }: OpenMemory,
  kind: 'full' | 'diff',
): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let index = 0; index < digests.count; index++) {
    if (kind === 'full' && digests.isZero(index)) continue
    const chunk = buffer.subarray(0, chunkLength(index, file.bytes))
    if (!readChunk(file.fd, index, chunk) || !digests.fits(index, chunk)) {
      throw files.refusal(`its ${FILES.memory} is not what was written, in the MiB from byte ${index * CHUNK_BYTES} on`)
    }
    await otherWork()
  }
}
