/**
 * An archive made at a path of the host, or below it, by docker's rules for `cp`. It comes from inside an instance, so nothing
 * of it is made elsewhere, whatever it says: no "..", no way through a symbolic link, no device, no set-user-ID file, and no
 * name but the one that was asked for: a directory may hold what is dear to its owner.
 *
 *   the path is a directory   what the archive holds is made in it, under the names that it has there
 *   the path is not there     the first entry, with all that is below it, becomes the path
 *   the path is a file        the first entry, a file, takes its place
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  realpathSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { HostError, pathFault, UsageError } from '../errors.ts'
import { entryOf, Outside, openDirectory, openInner, openParent, partsOf } from './beneath.ts'
import { nameBytes, shownName, type TarHeader, TYPE } from './tar-format.ts'
import { readTar, type TarEntry, TarError } from './tar-read.ts'
import { UnsoundArchive } from './unsound.ts'

/** Of what is left out, that is told by name. */
const LEFT_OUT_TOLD = 8

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

export interface Unpacked {
  readonly files: number
  /** What was left out, with the reason; of many the first ones, and how many. */
  readonly leftOut: readonly string[]
}

/** @param root the name that all of it is to lie under, as `rootName` has it @throws UsageError, HostError */
export async function unpack(archive: AsyncIterable<Uint8Array>, path: string, root: string): Promise<Unpacked> {
  let target: Target | undefined
  try {
    for await (const entry of readTar(archive)) {
      target ??= targetFor(entry, path, root)
      await target.make(entry)
    }
    if (!target) throw new UnsoundArchive(`Cannot copy to ${path}: nothing came.`)
    return target.finish()
  } catch (error) {
    if (error instanceof TarError) {
      throw new UnsoundArchive(`Cannot copy to ${path}: what came is not sound: ${error.message}.`, { cause: error })
    }
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    throw new HostError(`Cannot copy to ${path}: ${pathFault(error)}.`, { cause: error })
  } finally {
    target?.close()
  }
}

function targetFor(first: TarHeader, path: string, root: string): Target {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there?.isDirectory()) return new Target(opened(path), root)
  if (there && !there.isFile()) throw refused(path, 'it is no regular file')
  if (there && first.type !== TYPE.file) throw refused(path, 'it is a file, and what is copied is none')
  if (!there && first.type !== TYPE.directory && path.endsWith('/')) throw refused(path, 'there is no such directory')
  // Of a link that leads to a file it is the file that is replaced.
  const real = there ? realpathSync(path) : path.replace(/\/+$/, '')
  const name = basename(real)
  if (name === '' || name === '.' || name === '..') throw refused(path, 'it is no name for a file')
  return new Target(opened(dirname(real)), root, Buffer.from(name).toString('latin1'))
}

const refused = (path: string, reason: string) => new UsageError(`Cannot copy to ${path}: ${reason}.`)

function opened(path: string): number {
  try {
    return openDirectory(path)
  } catch (cause) {
    throw new UsageError(`Cannot copy to ${path}: ${pathFault(cause)}.`, { cause })
  }
}

class Target {
  readonly #base: number
  readonly #root: readonly string[]
  readonly #renamed: string | undefined
  /** By their names: an archive may say the same one without end. */
  readonly #directories = new Map<string, { readonly parts: readonly string[]; readonly header: TarHeader }>()
  readonly #leftOut: string[] = []
  #leftOutCount = 0
  #files = 0

  /** @param base is closed by `close` @param root what every name begins with @param renamed what that is called instead */
  constructor(base: number, root: string, renamed?: string) {
    this.#base = base
    this.#root = partsOf(root)
    this.#renamed = renamed
  }

  async make(entry: TarEntry): Promise<void> {
    try {
      await this.#make(entry)
    } catch (cause) {
      if (cause instanceof TarError) throw cause
      const reason =
        cause instanceof Outside
          ? 'it would lie outside'
          : (cause as NodeJS.ErrnoException).code === 'ENOTDIR'
            ? 'a part of its path is no directory'
            : pathFault(cause)
      throw new HostError(`Cannot copy ${shownName(entry.name)}: ${reason}.`, { cause })
    }
  }

  /** Directories get their modes when nothing more is made in them. */
  finish(): Unpacked {
    for (const { parts, header } of [...this.#directories.values()].reverse()) {
      const parent = openParent(this.#base, parts, false)
      try {
        const directory = openInner(parent, parts.at(-1)!)
        try {
          // The descriptor is none to read by, which fchmod wants.
          const fd = openSync(`/proc/self/fd/${directory}`, constants.O_RDONLY | constants.O_DIRECTORY)
          settleDirectory(fd, header)
          closeSync(fd)
        } finally {
          closeSync(directory)
        }
      } finally {
        closeSync(parent)
      }
    }
    const more = this.#leftOutCount - this.#leftOut.length
    return { files: this.#files, leftOut: more > 0 ? [...this.#leftOut, `${more} more`] : this.#leftOut }
  }

  close(): void {
    closeSync(this.#base)
  }

  async #make(entry: TarEntry): Promise<void> {
    const parts = this.#partsOf(entry.name)
    const name = parts.at(-1)
    // The base itself is as it is.
    if (name === undefined) return
    if (!Object.values<string>(TYPE).includes(entry.type)) {
      this.#leaveOut(`${shownName(entry.name)}: it is no file, directory or link`)
      return
    }
    const parent = openParent(this.#base, parts, true)
    try {
      if (entry.type === TYPE.directory) {
        makeDirectory(parent, name)
        this.#directories.set(parts.join('/'), { parts, header: entry })
        return
      }
      makeWay(parent, name)
      if (entry.type === TYPE.file) await writeFile(parent, name, entry)
      else if (entry.type === TYPE.symlink) makeSymlink(parent, name, entry)
      else this.#link(parent, name, entry.link)
      this.#files++
    } finally {
      closeSync(parent)
    }
  }

  #leaveOut(what: string): void {
    if (++this.#leftOutCount <= LEFT_OUT_TOLD) this.#leftOut.push(what)
  }

  /** A root that is called "." has no part of its own. */
  #partsOf(name: string): string[] {
    const parts = partsOf(name)
    if (this.#root.some((part, at) => part !== parts[at])) throw new Outside()
    return this.#renamed === undefined ? parts : [this.#renamed, ...parts.slice(this.#root.length)]
  }

  /** Of a file below the base only; a symbolic link gets a second name itself. */
  #link(parent: number, name: string, target: string): void {
    const parts = this.#partsOf(target)
    if (parts.length === 0) throw new Outside()
    const from = openParent(this.#base, parts, false)
    try {
      linkSync(entryOf(from, parts.at(-1)!), entryOf(parent, name))
    } finally {
      closeSync(from)
    }
  }
}

const lookAt = (path: Buffer): Stats | undefined => lstatSync(path, { throwIfNoEntry: false })

/** Whatever but a directory stands there gives way. */
function makeWay(parent: number, name: string): void {
  const path = entryOf(parent, name)
  const stat = lookAt(path)
  if (stat?.isDirectory()) throw Object.assign(new Error('a directory is there'), { code: 'EISDIR' })
  if (stat) unlinkSync(path)
}

function makeDirectory(parent: number, name: string): void {
  try {
    mkdirSync(entryOf(parent, name), 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (!lookAt(entryOf(parent, name))?.isDirectory()) throw Object.assign(error as Error, { code: 'ENOTDIR' })
  }
}

async function writeFile(parent: number, name: string, entry: TarEntry): Promise<void> {
  const fd = openSync(entryOf(parent, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for await (const bytes of entry.body()) {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    }
    settle(fd, entry)
  } finally {
    closeSync(fd)
  }
}

function makeSymlink(parent: number, name: string, { link, mtime }: TarHeader): void {
  const path = entryOf(parent, name)
  symlinkSync(nameBytes(link), path)
  try {
    lutimesSync(path, mtime, mtime)
  } catch {
    // A time that the file system cannot hold is no reason to do without the link.
  }
}

/** One that was there before may be somebody else's, and stays as it is. */
function settleDirectory(fd: number, header: TarHeader): void {
  try {
    settle(fd, header)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  }
}

/** The mode less what would run as somebody else; the owner is whoever copies. */
function settle(fd: number, { mode, mtime }: TarHeader): void {
  fchmodSync(fd, mode & 0o777)
  try {
    futimesSync(fd, fstatSync(fd).atimeMs / 1000, mtime)
  } catch {
    // As with links.
  }
}
