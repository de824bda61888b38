/** A file or a tree of the host as a tar archive. Links in it are sent as links; what is no file, directory or link is left out. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs'
import { pathFault, UsageError } from '../errors.ts'
import { entryOf } from './beneath.ts'
import { paddingOf, rootName, shownName, type TarHeader, TYPE } from './tar-format.ts'
import { ARCHIVE_END, headerBlocks } from './tar-write.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants
const CHUNK = 64 * 1024

export interface PackOptions {
  /** Of a source that is a symbolic link, what it leads to. */
  readonly follow: boolean
  /** Told what is left out or is not as it was, with the reason. */
  readonly onFault: (text: string) => void
}

/** Its first entry is the source itself, by its last name. @throws UsageError */
export async function* pack(source: string, options: PackOptions): AsyncGenerator<Buffer, void, undefined> {
  const stat = lookAt(source, options.follow)
  const trimmed = source.replace(/\/+$/, '')
  if (source !== trimmed && !stat.isDirectory()) throw unreadable(source, 'it is no directory')
  const name = rootName(source)
  if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink()) throw unreadable(source, kindOf(stat))
  const packer = new Packer(options.onFault)
  try {
    yield* packer.send(Buffer.from(source), name, stat, options.follow)
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === undefined ? cause : unreadable(source, pathFault(cause), cause)
  }
  yield ARCHIVE_END
}

function lookAt(source: string, follow: boolean): Stats {
  try {
    return follow || source.endsWith('/') ? statSync(source) : lstatSync(source)
  } catch (cause) {
    throw unreadable(source, pathFault(cause), cause)
  }
}

const unreadable = (source: string, reason: string, cause?: unknown) =>
  new UsageError(`Cannot copy ${source}: ${reason}.`, { cause })

const kindOf = (stat: Stats) => (stat.isSocket() ? 'it is a socket' : stat.isFIFO() ? 'it is a pipe' : 'it is a device')

class Packer {
  readonly #onFault: (text: string) => void
  /** A file with several names is sent once: by device and inode, the name it was sent under. */
  readonly #sent = new Map<string, string>()

  constructor(onFault: (text: string) => void) {
    this.#onFault = onFault
  }

  async *send(path: Buffer, name: string, stat: Stats, follow: boolean): AsyncGenerator<Buffer, void, undefined> {
    if (stat.isSymbolicLink()) {
      yield headerBlocks(headerOf(TYPE.symlink, name, stat, { link: readlinkSync(path, 'latin1') }))
      return
    }
    if (!stat.isFile() && !stat.isDirectory()) {
      this.#onFault(`left out: ${shownName(name)}: ${kindOf(stat)}`)
      return
    }
    // O_NONBLOCK: it may be a pipe by now.
    const fd = openSync(
      path,
      O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW) | (stat.isDirectory() ? O_DIRECTORY : 0),
    )
    try {
      const now = fstatSync(fd)
      if (now.isDirectory()) yield* this.#directory(fd, name, now)
      else if (now.isFile()) yield* this.#file(fd, name, now)
    } finally {
      closeSync(fd)
    }
  }

  async *#directory(fd: number, name: string, stat: Stats): AsyncGenerator<Buffer, void, undefined> {
    yield headerBlocks(headerOf(TYPE.directory, `${name}/`, stat))
    for (const child of readdirSync(`/proc/self/fd/${fd}`, { encoding: 'latin1' }).sort()) {
      const path = entryOf(fd, child)
      const inner = `${name}/${child}`
      try {
        const found = lstatSync(path, { throwIfNoEntry: false })
        // Gone since the directory was read.
        if (found) yield* this.send(path, inner, found, false)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined) throw error
        this.#onFault(`${shownName(inner)}: ${pathFault(error)}`)
      }
    }
  }

  /** So many bytes as were announced, whatever happens to the file meanwhile. */
  async *#file(fd: number, name: string, stat: Stats): AsyncGenerator<Buffer, void, undefined> {
    const id = `${stat.dev}:${stat.ino}`
    const same = stat.nlink > 1 ? this.#sent.get(id) : undefined
    if (same !== undefined) {
      yield headerBlocks(headerOf(TYPE.link, name, stat, { link: same }))
      return
    }
    if (stat.nlink > 1) this.#sent.set(id, name)
    yield headerBlocks(headerOf(TYPE.file, name, stat, { size: stat.size }))
    let left = stat.size
    while (left > 0) {
      const bytes = Buffer.allocUnsafe(Math.min(CHUNK, left))
      const count = readSync(fd, bytes, 0, bytes.length, null)
      if (count === 0) {
        this.#onFault(`${shownName(name)}: it became shorter while it was copied`)
        bytes.fill(0)
        for (; left > 0; left -= bytes.length) yield bytes.subarray(0, Math.min(left, bytes.length))
        break
      }
      left -= count
      yield bytes.subarray(0, count)
    }
    yield Buffer.alloc(paddingOf(stat.size))
  }
}

/**
 * It belongs to root where it arrives, as with docker: numbers of users here mean nothing there. What ran here as somebody
 * else than root is not to run there as root.
 */
const headerOf = (type: string, name: string, stat: Stats, more: Partial<TarHeader> = {}): TarHeader => ({
  ...{ type, name, link: '', size: 0, uid: 0, gid: 0 },
  mode: stat.mode & (stat.uid === 0 ? 0o7777 : 0o1777),
  mtime: Math.floor(stat.mtimeMs / 1000),
  ...more,
})
