/**
 * Lays out a cpio archive (newc, "070701"), the form in which a VM guest receives its root file tree.
 * The layout is planned first and then written straight into its place: file contents go from the host's file into
 * guest memory without passing through the JavaScript heap. Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { HostError } from '../errors.ts'
import { PAGE_SIZE } from '../memory/memory-map.ts'

export interface CpioEntry {
  /** Without a leading slash. */
  readonly path: string
  /** st_mode, type bits included. */
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds since 1970. */
  readonly mtime?: number
  /** Device number of a device node. */
  readonly rdev?: { readonly major: number; readonly minor: number }
  readonly content?: { readonly bytes: Uint8Array } | { readonly file: string; readonly size: number }
}

export interface CpioArchive {
  readonly size: number
  /** @param into exactly `size` bytes, zero-filled and beginning on a page */
  write(into: Uint8Array): void
}

const HEADER_SIZE = 110
const TRAILER = 'TRAILER!!!'
/** Linux takes no longer name, its final NUL included (init/initramfs.c). */
const NAME_MAX = 4096

/**
 * Contents of a page or more begin on a page, so that a guest can map a program where it lies. The way to do so that
 * every reader understands is a name with several NULs behind it, as dracut-cpio pads too.
 */
function padName(name: Uint8Array, nameAt: number, length: number): number {
  if (length < PAGE_SIZE) return name.length
  const padded = name.length + ((PAGE_SIZE - ((nameAt + name.length) % PAGE_SIZE)) % PAGE_SIZE)
  return padded <= NAME_MAX ? padded : name.length
}

const align4 = (value: number) => Math.ceil(value / 4) * 4
const contentSize = ({ content }: CpioEntry) =>
  content === undefined ? 0 : 'bytes' in content ? content.bytes.length : content.size

export function planCpio(entries: readonly CpioEntry[]): CpioArchive {
  const encoder = new TextEncoder()
  let size = 0
  const rows = [...entries, { path: TRAILER, mode: 0 }].map((entry, index) => {
    const name = encoder.encode(`${entry.path}\0`)
    const nameAt = size + HEADER_SIZE
    const length = contentSize(entry)
    const nameSize = padName(name, nameAt, length)
    const contentAt = align4(nameAt + nameSize)
    const row = { entry, name, nameSize, headerAt: size, nameAt, contentAt, length, inode: index + 1 }
    size = align4(contentAt + length)
    return row
  })
  return {
    size,
    write(into) {
      for (const { entry, name, nameSize, headerAt, nameAt, contentAt, length, inode } of rows) {
        encoder.encodeInto(header(entry, inode, length, nameSize), into.subarray(headerAt, nameAt))
        into.set(name, nameAt)
        writeContent(entry, into.subarray(contentAt, contentAt + length))
      }
    },
  }
}

function header(entry: CpioEntry, inode: number, length: number, nameLength: number): string {
  const fields = [
    inode,
    entry.mode,
    entry.uid ?? 0,
    entry.gid ?? 0,
    1,
    entry.mtime ?? 0,
    length,
    0,
    0,
    entry.rdev?.major ?? 0,
    entry.rdev?.minor ?? 0,
    nameLength,
    0,
  ]
  return `070701${fields.map((field) => (field >>> 0).toString(16).padStart(8, '0')).join('')}`
}

function writeContent({ content, path }: CpioEntry, into: Uint8Array): void {
  if (content === undefined) return
  if ('bytes' in content) {
    into.set(content.bytes)
    return
  }
  const fd = openSync(content.file, 'r')
  try {
    let done = 0
    while (done < into.length) {
      const count = readSync(fd, into, done, into.length - done, done)
      if (count === 0) throw new HostError(`Cannot read /${path}: the file became shorter while it was read.`)
      done += count
    }
  } finally {
    closeSync(fd)
  }
}
