/**
 * The disks of a VM in a snapshot. What can be written goes into it, as it is at that moment; every guest that goes on
 * from there writes to an overlay of its own above. A read-only disk stays where it is, and must be the same then.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import { blockDeviceSize } from '../../kvm-bindings/disk-file.ts'
import { nextData, nextHole } from '../../kvm-bindings/sparse-file.ts'
import type { Disk } from '../backends/disk/disk.ts'
import { HostError, pathFault } from '../errors.ts'
import type { DiskSpec } from '../instance/run-spec.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import type { AttachedDisk } from './attach.ts'
import { inodeOf } from './disks.ts'

const COPY_BYTES = 2 ** 20
const HOLE_BYTES = 4096
/** No VM has more; attach.ts. */
const DISKS_MAX = 64
const ZEROS = Buffer.alloc(HOLE_BYTES)

export interface DiskContents {
  readonly name: string
  /** While the guest stands still. */
  write(path: string): Promise<void>
}

/** What has to be copied, and what a restore must know of all of them. */
export function disksToSave(disks: readonly AttachedDisk[]): {
  files: readonly DiskContents[]
  saved: Json
} {
  const files: DiskContents[] = []
  const saved = disks.map(({ spec, disk, inode }, index): Json => {
    const replaced = inodeOf(spec.path) !== inode
    if (spec.readOnly && replaced) throw gone(spec)
    if (spec.readOnly) return { ...identity(spec.path) }
    const name = `disk-${index}`
    const raw = spec.copyOnWrite !== true && spec.base === undefined && !replaced
    files.push({
      name,
      write: (path) => (raw ? copyFile(spec.path, disk.bytes, path) : copyDisk(disk, path)),
    })
    return { file: name }
  })
  return { files, saved }
}

/** Those same disks for a guest that goes on from there. @throws HostError when one of them has changed */
export function disksToRestore(
  specs: readonly DiskSpec[],
  saved: Json,
  file: (name: string) => { readonly path: string },
): { readonly disks: readonly DiskSpec[]; readonly ownFiles: readonly string[] } {
  const ownFiles: string[] = []
  const records = new SavedFields('the disks', { disks: saved }).array('disks', DISKS_MAX, (disk) => disk)
  if (records.length !== specs.length) throw damaged()
  const disks = specs.map((spec, index) => {
    const record = new SavedFields(`disk ${index}`, records[index])
    const name = record.optional('file')
    if (name === undefined && spec.readOnly) {
      checkUnchanged(spec, record)
      return spec
    }
    // One that can be written is never the original's.
    if (typeof name !== 'string') throw damaged()
    const { path } = file(name)
    ownFiles.push(path)
    const { base: _, ...rest } = spec
    return { ...rest, path, readOnly: false, copyOnWrite: true }
  })
  return { disks, ownFiles }
}

const gone = ({ path }: DiskSpec) =>
  new HostError(`Cannot take a snapshot with the disk ${path}: another file has its name by now, or none.`, {
    hint: 'A read-only disk is not kept in a snapshot: put the file back that the VM was started with.',
  })

const damaged = () => new HostError('Cannot restore the disks: the snapshot does not say what they were.')

/** A file by its time of change as well; a block device has none that says anything. */
interface Identity {
  readonly bytes: number
  /** `file`, or the device's number. */
  readonly of: string
  readonly modified: string
}

function checkUnchanged({ path }: DiskSpec, record: SavedFields): void {
  const now = identity(path)
  const same =
    now.bytes === record.integer('bytes', Number.MAX_SAFE_INTEGER) &&
    now.of === record.text('of') &&
    now.modified === record.text('modified')
  if (same) return
  throw new HostError(`Cannot go on with the disk ${path}: it has changed since the snapshot was taken.`, {
    hint: 'A read-only disk is not kept in a snapshot: put the file back as it was.',
  })
}

function identity(path: string): Identity {
  try {
    const status = statSync(path, { bigint: true })
    if (!status.isBlockDevice()) return { bytes: Number(status.size), of: 'file', modified: `${status.mtimeNs}` }
    const fd = openSync(path, constants.O_RDONLY)
    try {
      return { bytes: blockDeviceSize(fd), of: `device ${status.rdev}`, modified: '' }
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    throw new HostError(`Cannot go on with the disk ${path}: ${pathFault(cause)}.`, { cause })
  }
}

/** By reference where the file system can share blocks between files, else the data of it and no holes. */
async function copyFile(from: string, size: number, to: string): Promise<void> {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL)
    return
  } catch {
    // It cannot: byte by byte then.
  }
  await withFile(from, constants.O_RDONLY, async (source) => {
    await writing(to, size, (copy) => {
      for (let at = nextData(source, 0); at !== undefined && at < size; at = nextData(source, at)) {
        const end = Math.min(nextHole(source, at) ?? size, size)
        while (at < end) {
          const count = readSync(source, copy.buffer, 0, Math.min(COPY_BYTES, end - at), at)
          if (count === 0) throw new HostError(`Cannot copy the disk ${from} into the snapshot: it became shorter.`)
          copy.write(count, at)
          at += count
        }
      }
    })
  })
}

/** Whatever it is made of: as its guest sees it. */
async function copyDisk(disk: Disk, to: string): Promise<void> {
  await writing(to, disk.bytes, async (copy) => {
    for (let at = 0; at < disk.bytes; at += COPY_BYTES) {
      const count = Math.min(COPY_BYTES, disk.bytes - at)
      const errno = await new Promise<number>((done) => {
        disk.read(at, [copy.buffer.subarray(0, count)], 0, count, done)
        disk.submit()
      })
      if (errno !== 0) throw new HostError(`Cannot copy a disk into the snapshot: reading it gave error ${errno}.`)
      copy.write(count, at)
    }
  })
}

interface Copy {
  readonly buffer: Buffer
  /** Of the buffer, where there is anything but zeros. */
  write(count: number, at: number): void
}

async function writing(path: string, bytes: number, work: (copy: Copy) => void | Promise<void>): Promise<void> {
  await withFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, async (fd) => {
    ftruncateSync(fd, bytes)
    const buffer = Buffer.alloc(COPY_BYTES)
    await work({
      buffer,
      write(count, at) {
        for (let from = 0; from < count; from += HOLE_BYTES) {
          const start = from
          while (from < count && !isHole(buffer, from, count)) from += HOLE_BYTES
          if (from > start) writeAll(fd, buffer.subarray(start, Math.min(from, count)), at + start)
        }
      },
    })
    fdatasyncSync(fd)
  })
}

function writeAll(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
}

function isHole(buffer: Buffer, from: number, end: number): boolean {
  const block = buffer.subarray(from, Math.min(from + HOLE_BYTES, end))
  return block.equals(ZEROS.subarray(0, block.length))
}

async function withFile(path: string, flags: number, work: (fd: number) => Promise<void>): Promise<void> {
  const fd = openSync(path, flags, 0o600)
  try {
    await work(fd)
  } finally {
    closeSync(fd)
  }
}
