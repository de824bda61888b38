/**
 * Files by directory descriptor and one name, as openat(2) and its kin have them and Node has not: a path through
 * /proc/self/fd leads to the very directory that is open, whatever its name leads to by now. No symbolic link is followed.
 */
import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { nameBytes } from './tar-format.ts'

/** From the kernel's fcntl.h; Node does not name it. */
const O_PATH = 0o10000000
const { O_DIRECTORY, O_NOFOLLOW } = constants

export const entryOf = (directory: number, name: string): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), nameBytes(name)])

/** Of a path of the caller's own, links in it followed. */
export const openDirectory = (path: string | Buffer): number => openSync(path, O_PATH | O_DIRECTORY)

export const openInner = (directory: number, name: string): number =>
  openSync(entryOf(directory, name), O_PATH | O_DIRECTORY | O_NOFOLLOW)

export class Outside extends Error {
  override readonly name = 'Outside'
}

/** The parts of a name from an archive. @throws Outside for one that leads up */
export function partsOf(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new Outside()
  return parts
}

/** Opens the directory of these parts but the last one. @param make makes what is missing. The caller closes it. */
export function openParent(base: number, parts: readonly string[], make: boolean): number {
  let directory = openSync(`/proc/self/fd/${base}`, O_PATH | O_DIRECTORY)
  for (const part of parts.slice(0, -1)) {
    try {
      if (make) makeMissing(directory, part)
      const inner = openInner(directory, part)
      closeSync(directory)
      directory = inner
    } catch (error) {
      closeSync(directory)
      throw error
    }
  }
  return directory
}

function makeMissing(directory: number, name: string): void {
  try {
    mkdirSync(entryOf(directory, name), 0o755)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
