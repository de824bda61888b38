/** How a client tells files apart: qid.path for which file it is, qid.version for whether it has changed. */
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../../kvm-bindings/constants.ts'
import type { FileStat } from '../../../kvm-bindings/file-tree.ts'
import { QID } from './protocol.ts'

export interface Qid {
  readonly type: number
  readonly version: number
  readonly path: bigint
}

const MIX = 0x9e37_79b9_7f4a_7c15n
const NANOSECONDS = 1_000_000_000n

/**
 * The inode number, which is what the guest shows for it. Those of another file system below the share are spread so
 * that the same number there is another file. (The odd factor is 2^64 divided by the golden ratio.)
 */
export const qidPath = (device: bigint, inode: bigint, rootDevice: bigint): bigint =>
  device === rootDevice ? inode : BigInt.asUintN(64, inode ^ ((device ^ rootDevice) * MIX))

/** Every change of the content or of what is noted about a file moves its ctime on: a cache that holds another version is stale. */
export const qidOf = ({ st_dev, st_ino, st_mode, st_ctim }: FileStat, rootDevice: bigint): Qid => ({
  type: qidType(st_mode),
  version: Number(BigInt.asUintN(32, ((st_ctim.tv_sec * NANOSECONDS + st_ctim.tv_nsec) * MIX) >> 32n)),
  path: qidPath(st_dev, st_ino, rootDevice),
})

export function qidType(mode: number): number {
  const kind = mode & S_IFMT
  return kind === S_IFDIR ? QID.directory : kind === S_IFLNK ? QID.symlink : QID.file
}
