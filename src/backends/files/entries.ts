/** What changes a directory: Tmkdir, Tsymlink, Tmknod, Tlink, Trename, Trenameat, Tunlinkat, Tremove; and Treadlink. */
import {
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  EEXIST,
  EINVAL,
  ENOTDIR,
  EPERM,
  ESTALE,
  O_WRONLY,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import {
  type CName,
  cName,
  linkAt,
  mkdirAt,
  readlinkAt,
  renameAt,
  symlinkAt,
  unlinkAt,
} from '../../../kvm-bindings/file-tree.ts'
import type { LiveFid } from './fids.ts'
import { create } from './open.ts'
import { NAME_MAX, TARGET_MAX } from './protocol.ts'
import { granted, Refusal } from './refusal.ts'
import {
  grantedMode,
  isDirectory,
  type Operation,
  qid,
  readEntry,
  type Session,
  settle,
  statFid,
  visit,
} from './session.ts'
import { entryName } from './share.ts'

export const mkdir: Operation = (session, request, reply) => {
  const entry = readEntry(session, request)
  const mode = request.u32()
  const gid = request.u32()
  request.end()
  const { directory, name } = entry
  session.share.change(directory.isRoot)
  granted(mkdirAt(directory.file.fd, name, mode & 0o700))
  visit(session, entry, (fd, stat) => {
    // Somebody was faster to put another thing there.
    if (!isDirectory(stat)) throw new Refusal(ENOTDIR)
    settle(session, fd, { uid: directory.uid, gid }, grantedMode(mode, true))
    reply.qid(qid(session, stat))
  })
}

export const symlink: Operation = (session, request, reply) => {
  const entry = readEntry(session, request)
  const target = request.string(TARGET_MAX)
  const gid = request.u32()
  request.end()
  const { directory, name } = entry
  session.share.change(directory.isRoot)
  if (target.length === 0 || target.includes(0)) throw new Refusal(EINVAL)
  granted(symlinkAt(cName(target), directory.file.fd, name))
  visit(session, entry, (fd, stat) => {
    if ((stat.st_mode & S_IFMT) === S_IFLNK) settle(session, fd, { uid: directory.uid, gid }, undefined)
    reply.qid(qid(session, stat))
  })
}

/** Linux makes a regular file so where it does not open it at once. Devices, FIFOs and sockets would be the host's. */
export const mknod: Operation = (session, request, reply) => {
  const entry = readEntry(session, request)
  const mode = request.u32()
  request.u32()
  request.u32()
  const gid = request.u32()
  request.end()
  session.share.change(entry.directory.isRoot)
  const kind = mode & S_IFMT
  if (kind !== S_IFREG && kind !== 0) throw new Refusal(EPERM)
  const fd = create(session, entry, { flags: O_WRONLY, mode, gid })
  if (fd === undefined) throw new Refusal(EEXIST)
  close(fd)
  visit(session, entry, (_, stat) => reply.qid(qid(session, stat)))
}

export const link: Operation = (session, request) => {
  const { fids, share } = session
  const directory = fids.get(request.u32())
  const file = fids.get(request.u32())
  const name = entryName(request.string(NAME_MAX))
  request.end()
  share.change(directory.isRoot)
  // By way of /proc, which every user may: AT_EMPTY_PATH takes CAP_DAC_READ_SEARCH. linkat(2)
  share.by(file.file.fd, (proc, number) => linkAt(proc, number, directory.file.fd, name, AT_SYMLINK_FOLLOW))
}

export const renameat: Operation = (session, request) => {
  const from = readEntry(session, request)
  const to = readEntry(session, request)
  request.end()
  for (const { directory } of [from, to]) session.share.change(directory.isRoot)
  granted(renameAt(from.directory.file.fd, from.name, to.directory.file.fd, to.name))
}

export const unlinkat: Operation = (session, request) => {
  const { directory, name } = readEntry(session, request)
  const flags = request.u32()
  request.end()
  session.share.change(directory.isRoot)
  if ((flags & ~AT_REMOVEDIR) !== 0) throw new Refusal(EINVAL)
  granted(unlinkAt(directory.file.fd, name, flags))
}

/** Of clients that know no Trenameat. */
export const rename: Operation = (session, request) => {
  const file = session.fids.get(request.u32())
  const to = readEntry(session, request)
  request.end()
  session.share.change(to.directory.isRoot)
  atItsPlace(session, file, (directory, name) => renameAt(directory, name, to.directory.file.fd, to.name))
}

/** Of clients that know no Tunlinkat. The fid is gone, whatever comes of it. */
export const remove: Operation = (session, request) => {
  const { fids } = session
  const number = request.u32()
  request.end()
  const fid = fids.get(number)
  try {
    const flags = isDirectory(statFid(fid)) ? AT_REMOVEDIR : 0
    atItsPlace(session, fid, (directory, name) => unlinkAt(directory, name, flags))
  } finally {
    fids.remove(number)
  }
}

/** A call on the directory and the name that a file has at the moment. */
function atItsPlace(session: Session, fid: LiveFid, call: (directory: number, name: CName) => number): void {
  const { share } = session
  const { st_dev, st_ino } = statFid(fid)
  share.change(fid.isRoot)
  const { directory, name, isRoot } = share.parentOf(share.locate(fid.file.fd))
  try {
    share.change(isRoot)
    const there = share.enter(directory, name, isRoot)
    close(there.fd)
    if (there.stat.st_dev !== st_dev || there.stat.st_ino !== st_ino) throw new Refusal(ESTALE)
    granted(call(directory, name))
  } finally {
    close(directory)
  }
}

export const readlink: Operation = ({ fids }, request, reply) => {
  const fid = fids.get(request.u32())
  request.end()
  if ((statFid(fid).st_mode & S_IFMT) !== S_IFLNK) throw new Refusal(EINVAL)
  reply.string(granted(readlinkAt(fid.file.fd)))
}
