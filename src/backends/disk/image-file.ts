/**
 * Opens the file or block device behind a disk, and keeps others away: one VM may write it, or any number read it.
 * Whatever else a path may name is refused here, with what to do about it.
 */
import { closeSync, constants, fstatSync, openSync, type Stats, statfsSync } from 'node:fs'
import { O_PATH } from '../../../kvm-bindings/constants.ts'
import { blockDeviceSize, tryLockFile } from '../../../kvm-bindings/disk-file.ts'
import { HostError, pathFault, UsageError } from '../../errors.ts'

const SECTOR = 512
/** Windows into the kernel, whatever they call themselves: PROC_SUPER_MAGIC, SYSFS_MAGIC of <linux/magic.h>. */
const KERNEL_FILE_SYSTEMS = [0x9fa0, 0x62656572]

export interface ImageFile {
  readonly path: string
  readonly fd: number
  readonly bytes: number
  readonly stat: Stats
  close(): void
}

/** @throws UsageError for what is no disk, HostError when the host or another VM is in the way */
export function openImage(path: string, access: 'read' | 'write'): ImageFile {
  const fd = openChecked(path, access)
  try {
    // Before its size is looked at, which another VM might still have changed.
    lock(path, fd, access)
    const stat = fstatSync(fd)
    const bytes = stat.isBlockDevice() ? blockDeviceSize(fd) : stat.size
    checkSize(path, bytes)
    return { path, fd, bytes, stat, close: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/**
 * Looked at first: opening a FIFO waits, and opening other devices may do anything. By a descriptor that opens nothing,
 * so that what is opened then is what was looked at, whatever the path means by now. O_PATH, open(2)
 */
function openChecked(path: string, access: 'read' | 'write'): number {
  const found = find(path)
  try {
    const stat = fstatSync(found)
    const itself = `/proc/self/fd/${found}`
    checkKind(path, stat)
    if (stat.isFile() && KERNEL_FILE_SYSTEMS.includes(statfsSync(itself).type))
      throw refused(path, 'it is a file of the kernel, not of a disk', 'A disk is a raw image file or a block device.')
    return openFor(path, itself, stat, access)
  } finally {
    closeSync(found)
  }
}

function find(path: string): number {
  try {
    return openSync(path, O_PATH)
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw refused(path, pathFault(cause), missing ? `Make one: truncate -s 1G ${path}` : undefined, cause)
  }
}

function checkKind(path: string, stat: Stats): void {
  if (stat.isFile() || stat.isBlockDevice()) return
  if (stat.isDirectory()) throw refused(path, 'it is a directory', 'A disk is a raw image file or a block device.')
  const kind = stat.isFIFO() ? 'a FIFO' : stat.isSocket() ? 'a socket' : 'a character device'
  throw refused(path, `it is ${kind}`, 'A disk is a raw image file or a block device.')
}

function openFor(path: string, itself: string, stat: Stats, access: 'read' | 'write'): number {
  const { O_RDONLY, O_RDWR, O_EXCL } = constants
  try {
    if (access === 'read') return openSync(itself, O_RDONLY)
    // Without O_CREAT, O_EXCL is for block devices: not while the host has it mounted. open(2)
    return openSync(itself, stat.isBlockDevice() ? O_RDWR | O_EXCL : O_RDWR)
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    if (code === 'EBUSY') throw inUse(path, 'the host uses it itself, for a mount perhaps', 'Unmount it first.', cause)
    if (code === 'ETXTBSY') throw inUse(path, 'the host runs it as a program', 'Attach a copy of it.', cause)
    const readable = access === 'write' && ['EACCES', 'EPERM', 'EROFS'].includes(code)
    const fault = readable ? `it cannot be written: ${pathFault(cause)}` : pathFault(cause)
    throw refused(path, fault, readable ? `Attach it read-only: --disk ${path}:ro` : undefined, cause)
  }
}

function checkSize(path: string, bytes: number): void {
  if (bytes === 0) throw refused(path, 'it is empty', `Give it a size: truncate -s 1G ${path}`)
  if (bytes % SECTOR !== 0) {
    throw refused(
      path,
      `its ${bytes} bytes are not a whole number of ${SECTOR}-byte sectors`,
      `Round it up: truncate -s %${SECTOR} ${path}`,
    )
  }
}

function lock(path: string, fd: number, access: 'read' | 'write'): void {
  if (tryLockFile(fd, access === 'write' ? 'exclusive' : 'shared')) return
  if (access === 'read') {
    throw inUse(path, 'another VM writes it', 'Wait until that one has ended, or work on a copy.')
  }
  throw inUse(path, 'another VM has it attached', 'A disk that several share has to be read-only for all: FILE:ro.')
}

export function refused(path: string, reason: string, hint?: string, cause?: unknown): UsageError {
  return new UsageError(`Cannot attach ${path} as a disk: ${reason}.`, { ...(hint ? { hint } : {}), cause })
}

function inUse(path: string, reason: string, hint: string, cause?: unknown): HostError {
  return new HostError(`Cannot attach ${path} as a disk: ${reason}.`, { hint, cause })
}
