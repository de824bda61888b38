/**
 * The root image of a snapshot is a file of the snapshot, under a digest like the others. It never changes, so that its bytes
 * need not be there twice.
 */
import { closeSync, constants, copyFileSync, openSync, readSync, writeSync } from 'node:fs'
import { AT_FDCWD, AT_SYMLINK_FOLLOW } from '../../kvm-bindings/constants.ts'
import { cName, linkAt } from '../../kvm-bindings/file-tree.ts'
import { otherWork } from '../snapshot/chunk-digests.ts'
import { CHUNK_BYTES } from '../snapshot/manifest.ts'
import type { SnapshotFile } from '../snapshot/take-snapshot.ts'

export const ROOT_IMAGE = 'root.erofs'

/** @param fd of the image that the guest reads, whatever has its name by now */
export const imageToSave = (fd: number): SnapshotFile => ({
  name: ROOT_IMAGE,
  unchanging: true,
  async write(path, step) {
    const image = `/proc/self/fd/${fd}`
    // It cannot have a second name on another file system, or when it has none any more.
    if (!shared(image, path) && !linked(image, path)) await copy(fd, path, step)
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

/** In steps of a MiB: this process serves the guest's devices, and its programs are still to be told to go on. */
async function copy(from: number, path: string, step: () => void): Promise<void> {
  const to = openSync(path, 'wx', 0o600)
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    for (let at = 0, count = -1; count !== 0; at += count) {
      step()
      count = readSync(from, buffer, 0, CHUNK_BYTES, at)
      for (let done = 0; done < count; ) done += writeSync(to, buffer, done, count - done)
      await otherWork()
    }
  } finally {
    closeSync(to)
  }
}
