/** The home directory of a user of a root directory, as its /etc/passwd says. passwd(5) */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Source } from '../instance/run-spec.ts'
import { resolveLinks } from './root-lookup.ts'

/** A file of users is a few KiB; the root directory is anybody's. */
const SIZE_MAX = 1 << 20
/** Of one who is not in it. */
const NO_HOME = '/'

export function homeOf(source: Source, uid: number): string {
  const home = source.kind === 'rootfs' ? entryOf(source.directory, uid)?.split(':')[5] : undefined
  if (home?.startsWith('/')) return home
  return uid === 0 ? '/root' : NO_HOME
}

function entryOf(directory: string, uid: number): string | undefined {
  try {
    const path = join(directory, resolveLinks(directory, '/etc/passwd').inside)
    const stat = statSync(path)
    if (!stat.isFile() || stat.size > SIZE_MAX) return undefined
    return readFileSync(path, 'utf8')
      .split('\n')
      .find((line) => line.split(':')[2] === String(uid))
  } catch {
    return undefined
  }
}
