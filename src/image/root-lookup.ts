/**
 * Finds a file of a root directory the way the program inside will: links lead around inside the root and never
 * out of it. It only looks, to say early what would fail; nothing that is opened for the guest is opened through it.
 */
import { lstatSync, readlinkSync } from 'node:fs'
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
  const pending = path.split('/')
  let inside = '/'
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift()!
    if (part === '' || part === '.') continue
    const next = posix.resolve(inside, part)
    const stat = lstatSync(posix.join(root, next), { throwIfNoEntry: false })
    if (!stat) return undefined
    if (!stat.isSymbolicLink()) {
      if (pending.length > 0 && !stat.isDirectory()) return undefined
      inside = next
      continue
    }
    if (++links > MOST_LINKS) return undefined
    const target = readlinkSync(posix.join(root, next))
    if (target.startsWith('/')) inside = '/'
    pending.unshift(...target.split('/'))
  }
  return posix.join(root, inside)
}
