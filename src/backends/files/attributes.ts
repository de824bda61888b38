/** What is noted about a file, and about the file system it is on: Tgetattr, Tsetattr, Tstatfs. */
import {
  EINVAL,
  EISDIR,
  EPERM,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFMT,
  S_IFREG,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import { chmodAt, chownOf, type FileTime, statfsOf, truncateTo, utimesAt } from '../../../kvm-bindings/file-tree.ts'
import type { RequestReader } from './codec.ts'
import type { LiveFid } from './fids.ts'
import { GETATTR_BASIC, SETATTR, V9FS_MAGIC, WRITE_HEADER_BYTES } from './protocol.ts'
import { granted, Refusal } from './refusal.ts'
import { checkId, grantedMode, isDirectory, type Operation, qid, type Session, statFid } from './session.ts'

const PAGE = 4096
const SECOND_NS = 1_000_000_000n
const UNCHANGED = 0xffffffff

export const getattr: Operation = (session, request, reply) => {
  const fid = session.fids.get(request.u32())
  request.u64()
  request.end()
  const stat = statFid(fid)
  const { uid, gid } = session.share.owners.inside({ uid: stat.st_uid, gid: stat.st_gid })
  reply.u64(GETATTR_BASIC)
  reply.qid(qid(session, stat))
  reply.u32(stat.st_mode)
  reply.u32(uid)
  reply.u32(gid)
  reply.u64(stat.st_nlink)
  reply.u64(stat.st_rdev)
  reply.u64(stat.st_size)
  // What programs take as the size of their buffers: one message, since each costs a round trip.
  reply.u64(BigInt(Math.max(PAGE, Math.floor((session.msize - WRITE_HEADER_BYTES) / PAGE) * PAGE)))
  reply.u64(stat.st_blocks)
  for (const { tv_sec, tv_nsec } of [stat.st_atim, stat.st_mtim, stat.st_ctim]) {
    reply.u64(tv_sec)
    reply.u64(tv_nsec)
  }
  // Birth time, generation, data version: not among the valid ones.
  for (let reserved = 0; reserved < 4; reserved++) reply.u64(0n)
}

interface Changes {
  readonly valid: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: bigint
  readonly accessed: FileTime
  readonly modified: FileTime
}

export const setattr: Operation = (session, request) => {
  const fid = session.fids.get(request.u32())
  const changes = readChanges(request)
  request.end()
  session.share.change(fid.isRoot)
  const asks = (...bits: number[]) => bits.some((bit) => (changes.valid & bit) !== 0)
  // In the order of which none undoes another: chown takes away bits of the mode, and the size moves the times on.
  if (asks(SETATTR.size)) setSize(session, fid, changes.size)
  if (asks(SETATTR.uid, SETATTR.gid)) setOwner(session, fid, changes)
  if (asks(SETATTR.mode)) setMode(session, fid, changes.mode)
  if (asks(SETATTR.atime, SETATTR.mtime)) setTimes(session, fid, changes)
}

function readChanges(request: RequestReader): Changes {
  const valid = request.u32()
  const [mode, uid, gid] = [request.u32(), request.u32(), request.u32()] as const
  const size = request.u64()
  const time = (given: number, set: number): FileTime => {
    const seconds = BigInt.asIntN(64, request.u64())
    const nanoseconds = request.u64()
    if ((valid & given) === 0) return { seconds: 0n, nanoseconds: BigInt(UTIME_OMIT) }
    if ((valid & set) === 0) return { seconds: 0n, nanoseconds: BigInt(UTIME_NOW) }
    // Larger ones mean something else to the host.
    if (nanoseconds >= SECOND_NS) throw new Refusal(EINVAL)
    return { seconds, nanoseconds }
  }
  const accessed = time(SETATTR.atime, SETATTR.atimeSet)
  const modified = time(SETATTR.mtime, SETATTR.mtimeSet)
  return { valid, mode, uid, gid, size, accessed, modified }
}

function setSize({ share }: Session, fid: LiveFid, size: bigint): void {
  if (size > Number.MAX_SAFE_INTEGER) throw new Refusal(EINVAL)
  const access = (fid.flags ?? O_RDONLY) & (O_WRONLY | O_RDWR)
  if (access !== O_RDONLY) {
    granted(truncateTo(fid.file.fd, Number(size)))
    return
  }
  const stat = statFid(fid)
  if (isDirectory(stat)) throw new Refusal(EISDIR)
  if ((stat.st_mode & S_IFMT) !== S_IFREG) throw new Refusal(EINVAL)
  const fd = share.reopen(fid.file.fd, O_WRONLY)
  try {
    granted(truncateTo(fd, Number(size)))
  } finally {
    close(fd)
  }
}

function setOwner({ share }: Session, fid: LiveFid, { valid, uid, gid }: Changes): void {
  const newUid = (valid & SETATTR.uid) === 0 ? UNCHANGED : share.owners.outsideUid(checkId(uid))
  const newGid = (valid & SETATTR.gid) === 0 ? UNCHANGED : share.owners.outsideGid(checkId(gid))
  if (newUid === undefined || newGid === undefined) throw new Refusal(EPERM)
  granted(chownOf(fid.file.fd, newUid, newGid))
}

function setMode({ share }: Session, fid: LiveFid, mode: number): void {
  const kept = grantedMode(mode, isDirectory(statFid(fid)))
  share.by(fid.file.fd, (directory, name) => chmodAt(directory, name, kept))
}

function setTimes({ share }: Session, fid: LiveFid, { accessed, modified }: Changes): void {
  share.by(fid.file.fd, (directory, name) => utimesAt(directory, name, accessed, modified))
}

export const statfs: Operation = ({ fids }, request, reply) => {
  const fid = fids.get(request.u32())
  request.end()
  const facts = granted(statfsOf(fid.file.fd))
  reply.u32(V9FS_MAGIC)
  reply.u32(Number(BigInt.asUintN(32, facts.f_bsize)))
  reply.u64(facts.f_blocks)
  reply.u64(facts.f_bfree)
  reply.u64(facts.f_bavail)
  reply.u64(facts.f_files)
  reply.u64(facts.f_ffree)
  // Which file system of the host it is, is none of the guest's business.
  reply.u64(0n)
  reply.u32(Number(BigInt.asUintN(32, facts.f_namelen)))
}
