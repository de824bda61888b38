/** Files that can be read and written from then on: Tlopen, Tlcreate. Only regular files and directories are ever opened. */
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENXIO,
  EROFS,
  O_APPEND,
  O_CREAT,
  O_DSYNC,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import { type FileStat, openBeneath, statOf } from '../../../kvm-bindings/file-tree.ts'
import { OpenFile } from './fids.ts'
import { NAME_MAX } from './protocol.ts'
import { granted, Refusal } from './refusal.ts'
import { type Entry, grantedMode, type Operation, qid, type Session, settle, statFid } from './session.ts'
import { entryName, type Share } from './share.ts'

const ACCESS = O_RDONLY | O_WRONLY | O_RDWR
/**
 * Of what open(2) takes; the numbers are those of x86-64. Not O_DIRECT, whose buffers the guest cannot align for us,
 * nor what would make a call of ours return early, or not touch times.
 */
const KEPT = ACCESS | O_APPEND | O_DSYNC | O_SYNC
/** As the protocol has O_SYNC: without the bit of O_DSYNC beside it. */
const DOTL_SYNC = 0o4000000

/** Zero: messages are as large as agreed on. */
const IOUNIT = 0

export const lopen: Operation = (session, request, reply) => {
  const { fids, share } = session
  const number = request.u32()
  const fid = fids.get(number)
  const asked = request.u32()
  request.end()
  if (fid.flags !== undefined) throw new Refusal(EINVAL)
  const stat = statFid(fid)
  const flags = openFlags(asked) | (asked & O_TRUNC)
  checkOpen(share, stat, flags)
  const fd = share.reopen(fid.file.fd, flags)
  fids.set(number, { ...fid, file: new OpenFile(fd), flags: flags & ~O_TRUNC })
  reply.qid(qid(session, stat))
  reply.u32(IOUNIT)
}

/** The fid of the directory becomes that of the new file, open. */
export const lcreate: Operation = (session, request, reply) => {
  const { fids, share } = session
  const number = request.u32()
  const directory = fids.get(number)
  const name = entryName(request.string(NAME_MAX))
  const asked = request.u32()
  const mode = request.u32()
  const gid = request.u32()
  request.end()
  if (directory.flags !== undefined) throw new Refusal(EINVAL)
  share.change(directory.isRoot)
  const flags = openFlags(asked)
  const fd =
    create(session, { directory, name }, { flags, mode, gid }) ?? openThere(session, { directory, name }, asked)
  const stat = granted(statOf(fd))
  fids.set(number, { uid: directory.uid, file: new OpenFile(fd), isRoot: false, flags })
  reply.qid(qid(session, stat))
  reply.u32(IOUNIT)
}

/** A new regular file; undefined where there is an entry of this name. */
export function create(
  session: Session,
  { directory, name }: Entry,
  { flags, mode, gid }: { flags: number; mode: number; gid: number },
): number | undefined {
  const fd = openBeneath(directory.file.fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode & 0o700)
  if (fd === -EEXIST) return undefined
  granted(fd)
  try {
    settle(session, fd, { uid: directory.uid, gid }, grantedMode(mode, false))
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** The host was faster, or another guest. */
function openThere({ share }: Session, { directory, name }: Entry, asked: number): number {
  if ((asked & O_EXCL) !== 0) throw new Refusal(EEXIST)
  const { fd, stat } = share.enter(directory.file.fd, name, directory.isRoot)
  try {
    const flags = openFlags(asked) | (asked & O_TRUNC)
    checkOpen(share, stat, flags)
    return share.reopen(fd, flags)
  } finally {
    close(fd)
  }
}

export function openFlags(asked: number): number {
  if ((asked & ACCESS) === ACCESS) throw new Refusal(EINVAL)
  return (asked & KEPT) | ((asked & DOTL_SYNC) !== 0 ? O_SYNC : 0)
}

/** To open a FIFO waits, to open a device may do anything; a link is the client's to follow. */
export function checkOpen(share: Share, { st_mode }: Pick<FileStat, 'st_mode'>, flags: number): void {
  const changes = (flags & ACCESS) !== O_RDONLY || (flags & O_TRUNC) !== 0
  const kind = st_mode & S_IFMT
  if (kind === S_IFDIR && changes) throw new Refusal(EISDIR)
  if (kind === S_IFLNK) throw new Refusal(ELOOP)
  if (kind !== S_IFREG && kind !== S_IFDIR) throw new Refusal(ENXIO)
  if (changes && share.readOnly) throw new Refusal(EROFS)
}
