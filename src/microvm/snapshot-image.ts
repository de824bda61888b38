/**
 * The root image of a snapshot: the cache's, with a second name in the snapshot's directory, so that it is there as long as
 * the snapshot is, whatever becomes of the cache.
 */
import { constants, copyFileSync, linkSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { HostError, pathFault } from '../errors.ts'
import { keptImage } from './root-image.ts'

const NAME = 'root.erofs'

/**
 * Call when the snapshot is there.
 * @param fd of the image that the guest reads, which may have lost its name
 */
export function holdImage(image: string, fd: number, directory: string): void {
  const own = join(directory, NAME)
  try {
    linkSync(image, own)
  } catch {
    // Another file system, or one without such names, or it is not in the cache any more.
    try {
      copyFileSync(`/proc/self/fd/${fd}`, own, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    } catch (cause) {
      throw new HostError(`Cannot keep the root image of the snapshot: ${pathFault(cause)}.`, { cause })
    }
  }
}

/** @param name in the cache, by the snapshot's word @throws HostError when it is nowhere */
export function heldImage(name: string, directory: string, find = keptImage): string {
  try {
    return find(name)
  } catch (error) {
    const own = join(directory, NAME)
    if (lstatSync(own, { throwIfNoEntry: false })?.isFile()) return own
    throw error
  }
}
