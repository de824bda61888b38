/** How a client comes by its fids, and gives them up: Tattach, Twalk, Tclunk. */
import { EINVAL, ENOENT, EOPNOTSUPP, O_DIRECTORY, O_PATH } from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import type { LiveFid } from './fids.ts'
import { NAME_MAX, NOFID, WALK_MAX } from './protocol.ts'
import { type Qid, qidOf } from './qid.ts'
import { Refusal } from './refusal.ts'
import { named, type Operation, qid, type Session } from './session.ts'
import { entryName } from './share.ts'

/** There is nothing to prove: who has the transport has the share. */
export const auth: Operation = () => {
  throw new Refusal(EOPNOTSUPP)
}

export const attach: Operation = (session, request, reply) => {
  const { share, fids } = session
  const number = request.u32()
  if (request.u32() !== NOFID) throw new Refusal(EINVAL)
  // Names of a user and of a tree: there is one tree, and users go by number.
  request.string(0xffff)
  request.string(0xffff)
  const uid = request.u32()
  request.end()
  fids.checkNew(number)
  fids.set(number, named(uid, share.reopen(share.root, O_PATH | O_DIRECTORY), true))
  reply.qid(qid(session, share.rootStat))
}

export const walk: Operation = (session, request, reply) => {
  const { fids } = session
  const from = request.u32()
  const to = request.u32()
  const fid = fids.get(from)
  const count = request.u16()
  if (count > WALK_MAX) throw new Refusal(EINVAL)
  const names = Array.from({ length: count }, () => request.string(NAME_MAX))
  request.end()
  if (from !== to) fids.checkNew(to)
  else if (fid.flags !== undefined) throw new Refusal(EINVAL)
  if (names.length === 0) {
    if (from !== to) fids.set(to, named(fid.uid, session.share.reopen(fid.file.fd, O_PATH), fid.isRoot))
    reply.u16(0)
    return
  }
  const { qids, fd } = descend(session, fid, names)
  if (fd !== undefined) fids.set(to, named(fid.uid, fd))
  reply.u16(qids.length)
  for (const one of qids) reply.qid(one)
}

/** As far as the names lead; a descriptor only when that is to their end. @throws Refusal when the first leads nowhere */
function descend({ share }: Session, { file, isRoot }: LiveFid, names: readonly Uint8Array[]) {
  const qids: Qid[] = []
  let at: number | undefined
  for (const [index, bytes] of names.entries()) {
    try {
      const next = share.enter(at ?? file.fd, entryName(bytes), isRoot && index === 0)
      if (at !== undefined) close(at)
      at = next.fd
      qids.push(qidOf(next.stat, share.rootStat.st_dev))
    } catch (error) {
      if (at !== undefined) close(at)
      if (!(error instanceof Refusal) || index === 0) throw error
      return { qids, fd: undefined }
    }
  }
  if (at === undefined) throw new Refusal(ENOENT)
  return { qids, fd: at }
}

export const clunk: Operation = ({ fids }, request) => {
  const number = request.u32()
  request.end()
  fids.remove(number)
}
