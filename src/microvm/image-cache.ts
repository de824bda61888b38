/**
 * A directory of files that can be made again, by the digest of what they are made from. A file is there entirely or not
 * at all; several may look for one, make one and tidy up at the same time.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { claimDirectory } from '../instance/state-root.ts'

export interface FileCache {
  readonly directory: string
  /** @returns its path, and notes that it was of use */
  find(name: string): string | undefined
  /**
   * @param make writes the file to this path
   * @returns the path of what it has become
   */
  add(name: string, make: (path: string) => Promise<void>): Promise<string>
}

/** A maker that died leaves what it had; one at work touches its file more often than this. */
const STALE_MS = 60 * 60 * 1000
const UNFINISHED = '.new'

/** For what its maker renames or removes; what a maker leaves that died goes after a while. */
export const unfinishedName = (path: string): string =>
  `${path}.${process.pid}.${randomBytes(6).toString('hex')}${UNFINISHED}`

/** @param bytesMax beyond it those that were of no use for longest are removed, but never the one just made */
export function openFileCache(directory: string, bytesMax: number): FileCache {
  claimDirectory(directory)
  return {
    directory,
    find(name) {
      const path = join(directory, name)
      const status = statSync(path, { throwIfNoEntry: false })
      if (!status?.isFile()) return undefined
      if (status.nlink === 1) touch(path)
      return path
    },
    async add(name, make) {
      const path = join(directory, name)
      const temporary = unfinishedName(path)
      try {
        await make(temporary)
        sync(temporary)
        renameSync(temporary, path)
      } finally {
        rmSync(temporary, { force: true })
      }
      tidy(directory, name, bytesMax)
      return path
    },
  }
}

/** By its name a file is there after a crash of the host only if its content is. */
function sync(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * The time of the last change is that of the last use here: the content never changes. One with a second name is kept
 * anyway (`tidy`), and whoever gave it that name goes by its times.
 */
function touch(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    // Another process has just removed it, which whoever opens it will notice.
  }
}

/** Who has a file open keeps it, name or not. One with a second name elsewhere would free nothing. */
function tidy(directory: string, justMade: string, bytesMax: number): void {
  const entries = readdirSync(directory).flatMap((name) => {
    const status = statSync(join(directory, name), { throwIfNoEntry: false })
    return status ? [{ name, status }] : []
  })
  for (const { name, status } of entries) {
    if (name.endsWith(UNFINISHED) && isStale(status)) rmSync(join(directory, name), { recursive: true, force: true })
  }
  const files = entries
    .filter(({ name, status }) => status.isFile() && status.nlink === 1 && !name.endsWith(UNFINISHED))
    .sort((a, b) => b.status.mtimeMs - a.status.mtimeMs)
  let left = bytesMax - (files.find(({ name }) => name === justMade)?.status.size ?? 0)
  for (const { name, status } of files) {
    if (name === justMade) continue
    left -= status.size
    if (left < 0) rmSync(join(directory, name), { force: true })
  }
}

const isStale = ({ mtimeMs }: Stats) => Date.now() - mtimeMs > STALE_MS
