/**
 * The root image of a snapshot is a file of the snapshot, under a digest like the others. It never changes, so that its bytes
 * need not be there twice.
 */
import { constants, copyFileSync } from 'node:fs'
import { AT_FDCWD, AT_SYMLINK_FOLLOW } from '../../kvm-bindings/constants.ts'
import { cName, linkAt } from '../../kvm-bindings/file-tree.ts'
import { HostError, pathFault } from '../errors.ts'
import type { SnapshotFile } from '../snapshot/take-snapshot.ts'

export const ROOT_IMAGE = 'root.erofs'

/** @param fd of the image that the guest reads, whatever has its name by now */
export const imageToSave = (fd: number): SnapshotFile => ({
  name: ROOT_IMAGE,
  unchanging: true,
  write(path) {
    const image = `/proc/self/fd/${fd}`
    if (shared(image, path) || linked(image, path)) return
    try {
      // Another file system, or it has no name any more.
      copyFileSync(image, path, constants.COPYFILE_EXCL)
    } catch (cause) {
      throw new HostError(`Cannot keep the root image of the snapshot: ${pathFault(cause)}.`, { cause })
    }
  },
})

/** A file of its own, whose times are its own, with the same blocks: where the file system can do that. */
function shared(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL)
    return true
  } catch {
    return false
  }
}

/** A second name for the same file. linkat(2) */
const linked = (from: string, to: string): boolean =>
  linkAt(AT_FDCWD, cName(from), AT_FDCWD, cName(to), AT_SYMLINK_FOLLOW) === 0
