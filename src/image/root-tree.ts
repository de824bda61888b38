/**
 * The root file tree of an instance as cpio entries: a host directory as it stands, or one program at its path.
 * The directory is somebody else's: links are kept as links and never followed, and what cannot be carried into a
 * guest (sockets, pipes, device nodes) is left out.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Source } from '../instance/run-spec.ts'
import type { CpioEntry } from './cpio.ts'

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
/** A tree this large takes minutes to lay out and gigabytes to describe; it is a mistake such as `--rootfs /`. */
const ENTRIES_MAX = 200_000

/** @throws UsageError when the directory cannot be read or is too large a tree. */
export const rootTree = (source: Source): CpioEntry[] =>
  source.kind === 'program' ? programTree(source.path, source.hostPath) : [...directoryTree(source.directory)]

function programTree(path: string, hostPath: string): CpioEntry[] {
  const parts = path.split('/').filter((part) => part !== '')
  const directories = parts.slice(0, -1).map((_, index) => ({
    path: parts.slice(0, index + 1).join('/'),
    mode: S_IFDIR | 0o755,
  }))
  const { size, mtimeMs } = statSync(hostPath)
  const program = {
    path: parts.join('/'),
    mode: S_IFREG | 0o755,
    mtime: seconds(mtimeMs),
    content: { file: hostPath, size },
  }
  return [...directories, program]
}

function* directoryTree(directory: string): Generator<CpioEntry> {
  const pending = ['']
  let count = 0
  while (pending.length > 0) {
    const parent = pending.pop()!
    for (const name of read(join(directory, parent)).sort()) {
      if (++count > ENTRIES_MAX) {
        throw new UsageError(`Cannot use ${directory} as a root: it holds more than ${ENTRIES_MAX} files.`, {
          hint: 'Name a directory with just the files that the program needs.',
        })
      }
      const path = parent === '' ? name : `${parent}/${name}`
      const entry = describe(path, join(directory, path))
      if (entry) yield entry
      if (entry && (entry.mode & 0o170000) === S_IFDIR) pending.push(path)
    }
  }
}

function read(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (cause) {
    throw new UsageError(`Cannot read the root directory ${directory}: ${(cause as NodeJS.ErrnoException).code}.`, {
      cause,
    })
  }
}

function describe(path: string, hostPath: string): CpioEntry | undefined {
  const status = lstatSync(hostPath)
  const facts = { path, mode: status.mode, uid: status.uid, gid: status.gid, mtime: seconds(status.mtimeMs) }
  if (status.isDirectory()) return facts
  if (status.isSymbolicLink()) return { ...facts, content: { bytes: new TextEncoder().encode(readlinkSync(hostPath)) } }
  if (status.isFile()) return { ...facts, content: fileContent(hostPath, status) }
  return undefined
}

const fileContent = (file: string, { size }: Stats) => (size > 0 ? { file, size } : undefined)

/** cpio holds 32 bits. */
const seconds = (milliseconds: number) => Math.min(Math.max(Math.floor(milliseconds / 1000), 0), 0xffff_ffff)
