/** What is in a directory: Treaddir. The offset of an entry is the host's own cookie, so that nothing is kept between requests. */
import { EBADF, EINVAL, ENOTDIR } from '../../../kvm-bindings/constants.ts'
import { type FileStat, getdents, seekTo } from '../../../kvm-bindings/file-tree.ts'
import type { ReplyWriter } from './codec.ts'
import { QID } from './protocol.ts'
import { qidPath } from './qid.ts'
import { granted, Refusal } from './refusal.ts'
import { isDirectory, type Operation, type Session, statFid } from './session.ts'

/** struct linux_dirent64: d_ino[8] d_off[8] d_reclen[2] d_type[1] d_name, with a zero at its end. getdents(2) */
const DIRENT = { ino: 0, off: 8, reclen: 16, type: 18, name: 19 } as const
const [DT_DIR, DT_LNK] = [4, 10] as const
/** qid[13] offset[8] type[1] and the length of the name. */
const ENTRY_BYTES = 24
/** Entries of the host at a time. */
const BATCH_BYTES = 16 * 1024

const batch = new Uint8Array(BATCH_BYTES)
const fields = new DataView(batch.buffer)
const DOT_DOT = Buffer.from('..')

export const readdir: Operation = (session, request, reply) => {
  const fid = session.fids.get(request.u32())
  const offset = request.u64()
  const count = request.u32()
  request.end()
  if (fid.flags === undefined) throw new Refusal(EBADF)
  const stat = statFid(fid)
  if (!isDirectory(stat)) throw new Refusal(ENOTDIR)
  granted(seekTo(fid.file.fd, BigInt.asIntN(64, offset)))
  const at = reply.skip(4)
  const room = Math.min(count, reply.left)
  reply.putU32(at, fill(session, { fd: fid.file.fd, stat, isRoot: fid.isRoot }, reply, room))
}

interface Directory {
  readonly fd: number
  readonly stat: FileStat
  readonly isRoot: boolean
}

/** As many entries as there is room for. @returns the bytes they take */
function fill(session: Session, directory: Directory, reply: ReplyWriter, room: number): number {
  let used = 0
  for (;;) {
    const got = granted(getdents(directory.fd, batch))
    if (got === 0) return used
    for (let at = 0; at < got; at += fields.getUint16(at + DIRENT.reclen, true)) {
      const name = nameAt(at)
      if (isHidden(session, directory, name)) continue
      const bytes = ENTRY_BYTES + name.length
      if (bytes > room - used) {
        // No entry at all would mean the end.
        if (used === 0) throw new Refusal(EINVAL)
        return used
      }
      put(session, directory, reply, at, name)
      used += bytes
    }
  }
}

function put({ share }: Session, { stat, isRoot }: Directory, reply: ReplyWriter, at: number, name: Uint8Array): void {
  const type = fields.getUint8(at + DIRENT.type)
  reply.u8(type === DT_DIR ? QID.directory : type === DT_LNK ? QID.symlink : QID.file)
  // qid.version: nobody looks at that of an entry.
  reply.u32(0)
  // What is above the share is none of the guest's business.
  if (isRoot && DOT_DOT.equals(name)) reply.u64(stat.st_ino)
  else if (stat.st_dev === share.rootStat.st_dev) reply.copyU64(fields, at + DIRENT.ino)
  else reply.u64(qidPath(stat.st_dev, fields.getBigUint64(at + DIRENT.ino, true), share.rootStat.st_dev))
  reply.copyU64(fields, at + DIRENT.off)
  reply.u8(type)
  reply.string(name)
}

function isHidden({ share: { only } }: Session, { isRoot }: Directory, name: Uint8Array): boolean {
  if (!isRoot || only === undefined) return false
  return !only.equals(name) && !(name.length <= 2 && name.every((byte) => byte === 0x2e))
}

function nameAt(at: number): Uint8Array {
  const start = at + DIRENT.name
  // Entries are a multiple of eight bytes long, so that the zero is among the last eight.
  let end = Math.max(start, at + fields.getUint16(at + DIRENT.reclen, true) - 8)
  while (batch[end] !== 0) end++
  return batch.subarray(start, end)
}
