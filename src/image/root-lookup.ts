/**
 * Finds a file of a root directory the way the program inside will: links lead around inside the root and never
 * out of it. It only looks, to say early what would fail; nothing that is opened for the guest is opened through it.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { posix } from 'node:path'

/** As Linux: MAXSYMLINKS, path_resolution(7). */
const MOST_LINKS = 40

/** @returns the path on the host, or undefined when there is no such file inside. */
export function findInRoot(
  root: string,
  program: string,
  { cwd, searchPath }: { cwd: string; searchPath: string },
): string | undefined {
  if (program === '') return undefined
  const candidates = program.includes('/')
    ? [posix.resolve('/', cwd, program)]
    : searchPath.split(':').map((directory) => posix.resolve('/', cwd, directory, program))
  for (const candidate of candidates) {
    const found = follow(root, candidate)
    if (found !== undefined) return found
  }
  return undefined
}

function follow(root: string, path: string): string | undefined {
  const { inside, exists } = resolveLinks(root, path)
  return exists ? posix.join(root, inside) : undefined
}

export interface ResolvedPath {
  readonly inside: string
  readonly exists: boolean
  /** Why it does not, as an errno name. */
  readonly fault?: string
}

/**
 * Where a path inside the root leads once its links are followed. From the first part that is not there on, the rest
 * is taken as it is written: something may yet be mounted there.
 */
export function resolveLinks(root: string, path: string): ResolvedPath {
  const pending = path.split('/')
  let inside = '/'
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift()!
    if (part === '' || part === '.') continue
    const next = posix.resolve(inside, part)
    const missing = (fault: string) => ({ inside: posix.resolve(next, ...pending), exists: false, fault })
    const stat = lookAt(posix.join(root, next))
    if (typeof stat === 'string') return missing(stat)
    if (!stat.isSymbolicLink()) {
      if (pending.length > 0 && !stat.isDirectory()) return missing('ENOTDIR')
      inside = next
      continue
    }
    if (++links > MOST_LINKS) return missing('ELOOP')
    const target = readlinkSync(posix.join(root, next))
    if (target.startsWith('/')) inside = '/'
    pending.unshift(...target.split('/'))
  }
  return { inside, exists: true }
}

/** @returns the name of the error when it cannot be looked at. */
function lookAt(path: string): Stats | string {
  try {
    return lstatSync(path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO'
  }
}
