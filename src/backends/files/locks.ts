/**
 * Tlock and Tgetlock: the guest's kernel keeps its own table of locks and asks afterwards, and what it granted stands. Locks
 * hold inside one microVM, not towards the host or another one.
 */
import { LOCK_SUCCESS, LOCK_TYPE_UNLOCK } from './protocol.ts'
import type { Operation } from './session.ts'

export const lock: Operation = ({ fids }, request, reply) => {
  fids.get(request.u32())
  request.u8()
  request.u32()
  request.u64()
  request.u64()
  request.u32()
  request.string(0xffff)
  request.end()
  reply.u8(LOCK_SUCCESS)
}

export const getlock: Operation = ({ fids }, request, reply) => {
  fids.get(request.u32())
  request.u8()
  const [start, length] = [request.u64(), request.u64()] as const
  const process = request.u32()
  const client = request.string(0xffff)
  request.end()
  reply.u8(LOCK_TYPE_UNLOCK)
  reply.u64(start)
  reply.u64(length)
  reply.u32(process)
  reply.string(client)
}
