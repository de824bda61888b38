/**
 * Lays out a cpio archive (newc, "070701"), the form in which a VM guest receives its root file tree.
 * The layout is planned first and then written straight into its place: file contents go from the host's file into
 * guest memory without passing through the JavaScript heap. Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { HostError, UsageError } from '../errors.ts'
import { PAGE_SIZE } from '../memory/memory-map.ts'

export interface CpioEntry {
  /** Without a leading slash, as bytes: file names of Linux are in no particular encoding. */
  readonly path: Uint8Array
  /** st_mode, type bits included. */
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds since 1970. */
  readonly mtime?: number
  /** Device number of a device node. */
  readonly rdev?: { readonly major: number; readonly minor: number }
  readonly content?: { readonly bytes: Uint8Array } | { readonly file: Buffer; readonly size: number }
  /** This is a further name (hard link) of an earlier entry, whose content it shares. */
  readonly linkTo?: CpioEntry
}

export interface CpioArchive {
  readonly size: number
  /** @param into exactly `size` bytes, zero-filled and beginning on a page */
  write(into: Uint8Array): void
}

interface Row {
  readonly entry: CpioEntry
  readonly nameSize: number
  readonly headerAt: number
  readonly nameAt: number
  readonly contentAt: number
  readonly length: number
  readonly inode: number
}

const HEADER_SIZE = 110
const TRAILER: CpioEntry = { path: new TextEncoder().encode('TRAILER!!!'), mode: 0 }
/** Linux takes no longer name, its final NUL included (init/initramfs.c). */
const NAME_MAX = 4096

/**
 * Contents of a page or more begin on a page, so that a guest can map a program where it lies. The way to do so that
 * every reader understands is a name with several NULs behind it, as dracut-cpio pads too.
 */
function padName(nameSize: number, nameAt: number, length: number): number {
  if (length < PAGE_SIZE) return nameSize
  const padded = nameSize + ((PAGE_SIZE - ((nameAt + nameSize) % PAGE_SIZE)) % PAGE_SIZE)
  return padded <= NAME_MAX ? padded : nameSize
}

const align4 = (value: number) => Math.ceil(value / 4) * 4
export const contentSize = ({ content }: CpioEntry): number =>
  content === undefined ? 0 : 'bytes' in content ? content.bytes.length : content.size

export function planCpio(entries: readonly CpioEntry[]): CpioArchive {
  const inodes = new Map<CpioEntry, number>()
  const names = new Map<CpioEntry, number>()
  let size = 0
  const rows = [...entries, TRAILER].map((entry, index): Row => {
    const first = entry.linkTo ?? entry
    if (first === entry) inodes.set(entry, index + 1)
    names.set(first, (names.get(first) ?? 0) + 1)
    const nameAt = size + HEADER_SIZE
    const length = contentSize(entry)
    const nameSize = padName(entry.path.length + 1, nameAt, length)
    const contentAt = align4(nameAt + nameSize)
    const row = { entry, nameSize, headerAt: size, nameAt, contentAt, length, inode: inodes.get(first)! }
    size = align4(contentAt + length)
    return row
  })
  return {
    size,
    write(into) {
      const encoder = new TextEncoder()
      for (const row of rows) {
        const { entry, headerAt, nameAt, contentAt, length } = row
        const nameCount = names.get(entry.linkTo ?? entry)!
        encoder.encodeInto(header(row, nameCount), into.subarray(headerAt, nameAt))
        into.set(entry.path, nameAt)
        writeContent(entry, into.subarray(contentAt, contentAt + length))
      }
    },
  }
}

/** All names of one file carry its inode number, and how many names there are. */
function header({ entry, inode, length, nameSize }: Row, nameCount: number): string {
  const fields = [
    inode,
    entry.mode,
    entry.uid ?? 0,
    entry.gid ?? 0,
    nameCount,
    entry.mtime ?? 0,
    length,
    0,
    0,
    entry.rdev?.major ?? 0,
    entry.rdev?.minor ?? 0,
    nameSize,
    0,
  ]
  return `070701${fields.map((field) => (field >>> 0).toString(16).padStart(8, '0')).join('')}`
}

function writeContent({ content }: CpioEntry, into: Uint8Array): void {
  if (content === undefined) return
  if ('bytes' in content) {
    into.set(content.bytes)
    return
  }
  const fd = openFile(content.file)
  try {
    let done = 0
    while (done < into.length) {
      const count = readSync(fd, into, done, into.length - done, done)
      if (count === 0)
        throw new HostError(`Cannot read ${readableName(content.file)}: the file became shorter while it was read.`)
      done += count
    }
  } catch (error) {
    throw error instanceof HostError ? error : unreadable(content.file, error)
  } finally {
    closeSync(fd)
  }
}

/** The file was a regular one when the tree was listed; a link or a FIFO put there since is neither followed nor waited for. */
function openFile(file: Buffer): number {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw unreadable(file, error)
  }
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  throw new UsageError(`Cannot read ${readableName(file)}: it is no longer a regular file.`)
}

/** A name for people: what is not UTF-8, and control characters, become visible. */
export const readableName = (path: Uint8Array): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  new TextDecoder().decode(path).replace(/[\x00-\x1f\x7f-\x9f]/g, '\ufffd')

/** @param error what the file system said about a file of the tree */
export function unreadable(file: Uint8Array, error: unknown): UsageError {
  const { code } = error as NodeJS.ErrnoException
  return new UsageError(`Cannot read ${readableName(file)} for the root file tree: ${code}.`, {
    hint:
      code === 'ENOENT'
        ? 'The directory changed while it was read: try again.'
        : 'A guest gets the whole directory: make the file readable, or keep it elsewhere.',
    cause: error,
  })
}
