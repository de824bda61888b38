/**
 * An overlay that lasts: one sparse file with the data at their own offsets, then the map, then a block that says what
 * this is. A crash at any moment leaves a disk as it was at its last flush, with later writes there or not, as on any
 * disk with a cache: the map names a sector only once its data are on the medium.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { fdatasync } from '../../../kvm-bindings/disk-file.ts'
import { SyscallError } from '../../../kvm-bindings/syscall-error.ts'
import { pathFault } from '../../errors.ts'
import type { AsyncFiles } from './async-files.ts'
import { BlockMap, CHUNK_BYTES } from './block-map.ts'
import type { Disk, DiskDone } from './disk.ts'
import { FileIo } from './file-io.ts'
import { type ImageFile, openImage, refused } from './image-file.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { serialOf } from './open-disk.ts'
import { createOverlayDisk } from './overlay-disk.ts'
import { createRawDisk } from './raw-disk.ts'

const BLOCK = 4096
const DISK_BYTES_A_CHUNK = CHUNK_BYTES * 8 * 512
const FORMAT = 'cloister-overlay'
const VERSION = 1
/** Of the base's path, for messages: in JSON never too long for the block. */
const LABEL_PATH = 512

/** What the last block says, as JSON. The base is known again by its size and time of change, wherever it lies now. */
interface Label {
  readonly format: typeof FORMAT
  readonly version: number
  readonly bytes: number
  readonly base: { readonly path: string; readonly modifiedMs: number }
}

/** Makes the overlay when there is none. @throws UsageError, HostError */
export function openPersistentDisk(path: string, basePath: string, files: AsyncFiles): Disk {
  const base = openImage(basePath, 'read')
  try {
    createIfMissing(path, base)
    const overlay = openImage(path, 'write')
    try {
      checkLabel(overlay, base)
      return assemble(overlay, base, files)
    } catch (error) {
      overlay.close()
      throw error
    }
  } catch (error) {
    base.close()
    throw error
  }
}

function assemble(overlay: ImageFile, base: ImageFile, files: AsyncFiles): Disk {
  const { bytes } = base
  const id = serialOf(overlay.path)
  const io = new FileIo({ fd: overlay.fd, files })
  const top = createRawDisk({ io, bytes, readOnly: false, id, release: overlay.close })
  const below = createRawDisk({
    io: new FileIo({ fd: base.fd, files }),
    bytes,
    readOnly: true,
    id,
    release: base.close,
  })
  const map = loadMap(overlay.fd, bytes)
  return createOverlayDisk({
    base: below,
    top,
    map,
    flush: oneAtATime((done) => flushWithMap(io, map, bytes, done)),
    release() {
      // What was written without a flush need not survive a crash, but it should survive an orderly end.
      try {
        if (io.flushFault !== 0) throw new SyscallError('fdatasync', io.flushFault)
        fdatasync(overlay.fd)
        for (const { index, bytes: chunk } of map.takeDirty())
          writeSync(overlay.fd, chunk, 0, BLOCK, mapAt(bytes, index))
        fdatasync(overlay.fd)
      } finally {
        top.close()
        below.close()
      }
    },
  })
}

/** Data before map: a sector may be named only when it is there. Sectors named later wait for the next flush. */
function flushWithMap(io: FileIo, map: BlockMap, bytes: number, done: DiskDone): void {
  const dirty = map.takeDirty().map(({ index, bytes: live }) => ({ index, chunk: live.slice() }))
  const end: DiskDone = (errno) => {
    if (errno !== 0) for (const { index } of dirty) map.markDirty(index)
    done(errno)
  }
  const writeChunk = (at: number): void => {
    const next = dirty[at]
    if (!next) io.flush(end)
    else
      io.writeLater(mapAt(bytes, next.index), [next.chunk], 0, BLOCK, (errno) =>
        errno === 0 ? writeChunk(at + 1) : end(errno),
      )
  }
  io.flush((errno) => (errno === 0 && dirty.length > 0 ? writeChunk(0) : end(errno)))
}

// ---- the file ----

const dataEnd = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK
const chunksOf = (bytes: number): number => Math.ceil(bytes / DISK_BYTES_A_CHUNK)
const mapAt = (bytes: number, chunk: number): number => dataEnd(bytes) + chunk * BLOCK
const labelAt = (bytes: number): number => mapAt(bytes, chunksOf(bytes))

function createIfMissing(path: string, base: ImageFile): void {
  const { bytes, stat } = base
  let fd: number
  try {
    fd = openSync(path, 'wx+', 0o600)
  } catch (cause) {
    // There, or not to be made: opening it says which.
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return
    throw refused(
      path,
      `it cannot be made: ${pathFault(cause)}`,
      'Name a file in a directory that this user may write.',
      cause,
    )
  }
  const label: Label = {
    format: FORMAT,
    version: VERSION,
    bytes,
    base: { path: base.path.slice(-LABEL_PATH), modifiedMs: Math.floor(stat.mtimeMs) },
  }
  const block = Buffer.alloc(BLOCK)
  block.write(JSON.stringify(label))
  try {
    ftruncateSync(fd, labelAt(bytes) + BLOCK)
    writeSync(fd, block, 0, BLOCK, labelAt(bytes))
    fdatasync(fd)
    syncDirectory(dirname(path))
  } catch (cause) {
    rmSync(path)
    throw refused(path, pathFault(cause), undefined, cause)
  } finally {
    closeSync(fd)
  }
}

/** Or a crash of the host could take the file with all that has been flushed. fsync(2) */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function checkLabel(overlay: ImageFile, base: ImageFile): void {
  const label = readLabel(overlay)
  if (label?.format !== FORMAT) {
    throw refused(overlay.path, 'it is no overlay', 'Name a file that does not exist yet: it will be made.')
  }
  if (label.version !== VERSION) throw refused(overlay.path, `it is an overlay of version ${label.version}`)
  const { bytes, stat, path } = base
  if (label.bytes === bytes && label.base.modifiedMs === Math.floor(stat.mtimeMs)) {
    if (overlay.bytes === labelAt(bytes) + BLOCK) return
    throw refused(overlay.path, 'the overlay is damaged: its size is not that of its map')
  }
  throw refused(
    overlay.path,
    `${path} has changed since the overlay was made over ${label.base.path}`,
    'What differs from another image is worth nothing: restore that one, or begin a new overlay.',
  )
}

function readLabel({ fd, bytes }: ImageFile): Label | undefined {
  const block = Buffer.alloc(BLOCK)
  readSync(fd, block, 0, BLOCK, Math.max(0, bytes - BLOCK))
  try {
    const label = JSON.parse(block.toString('utf8', 0, block.indexOf(0))) as Partial<Label> | null
    const whole = typeof label?.bytes === 'number' && typeof label.base?.modifiedMs === 'number'
    return whole ? (label as Label) : undefined
  } catch {
    return undefined
  }
}

function loadMap(fd: number, bytes: number): BlockMap {
  const map = new BlockMap()
  const chunk = new Uint8Array(BLOCK)
  for (let index = 0; index < chunksOf(bytes); index++) {
    readSync(fd, chunk, 0, BLOCK, mapAt(bytes, index))
    if (chunk.some((byte) => byte !== 0)) map.load(index, chunk.slice())
  }
  return map
}
