/** What the operations of one client work with. */
import { EINVAL, S_IFDIR, S_IFMT } from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import { type CName, chmodAt, chownOf, type FileStat, statOf } from '../../../kvm-bindings/file-tree.ts'
import type { ReplyWriter, RequestReader } from './codec.ts'
import { type Fid, type FidTable, type LiveFid, OpenFile } from './fids.ts'
import { NAME_MAX } from './protocol.ts'
import { type Qid, qidOf } from './qid.ts'
import { granted, Refusal } from './refusal.ts'
import { entryName, type Share } from './share.ts'

/** Reads its fields, does its work and writes the rest of its reply, all in this call. @throws Refusal */
export type Operation = (session: Session, request: RequestReader, reply: ReplyWriter) => void

export interface Session {
  readonly share: Share
  readonly fids: FidTable
  /** Largest message agreed on; 0 before. */
  readonly msize: number
}

/** A fid, then a name to be in its directory: how most requests that change something begin. */
export interface Entry {
  readonly directory: LiveFid
  readonly name: CName
}

export function readEntry({ fids }: Session, request: RequestReader): Entry {
  const directory = fids.get(request.u32())
  return { directory, name: entryName(request.string(NAME_MAX)) }
}

export const statFid = ({ file }: LiveFid): FileStat => granted(statOf(file.fd))

export const qid = ({ share }: Session, stat: FileStat): Qid => qidOf(stat, share.rootStat.st_dev)

export const isDirectory = ({ st_mode }: FileStat): boolean => (st_mode & S_IFMT) === S_IFDIR

/** A fid that names a file and does not open it. */
export const named = (uid: number, fd: number, isRoot = false): Fid => ({
  uid,
  file: new OpenFile(fd),
  isRoot,
  flags: undefined,
})

/**
 * What a guest may set of a file's mode. Set-user-ID and set-group-ID files would be the guest's say about whom programs
 * of the host run as; on directories the latter only says whose new files are.
 */
export const grantedMode = (mode: number, directory: boolean): number => mode & (directory ? 0o3777 : 0o1777)

/** Gives what was just made its owner and its mode, whatever the umask here. @throws Refusal */
export function settle(
  { share }: Session,
  fd: number,
  owner: { uid: number; gid: number },
  mode: number | undefined,
): void {
  // A file system may know better, NFS for one: the file stays ours then.
  if (share.owners.canGive) chownOf(fd, owner.uid, owner.gid)
  if (mode !== undefined) share.by(fd, (directory, name) => chmodAt(directory, name, mode))
}

/** Looks at what was just made under this name, and lets go of it. */
export function visit<T>({ share }: Session, { directory, name }: Entry, look: (fd: number, stat: FileStat) => T): T {
  const { fd, stat } = share.enter(directory.file.fd, name, directory.isRoot)
  try {
    return look(fd, stat)
  } finally {
    close(fd)
  }
}

/** @throws Refusal for an identity that chown(2) would take for "leave it" */
export function checkId(id: number): number {
  if (id === 0xffffffff) throw new Refusal(EINVAL)
  return id
}
