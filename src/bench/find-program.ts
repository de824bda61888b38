/** Peers are found the way a shell finds them, and where Debian puts those meant for root. */
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { ContenderRefused } from './contender.ts'

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** @throws ContenderRefused with what would install it */
export function findProgram(name: string, install: string, path: string = process.env.PATH ?? ''): string {
  const directories = [...path.split(':').filter((directory) => directory.startsWith('/')), ...SYSTEM_DIRECTORIES]
  for (const directory of directories) {
    const candidate = join(directory, name)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {
      // Not here.
    }
  }
  throw new ContenderRefused(`${name} is not installed. Install it: ${install}`)
}
