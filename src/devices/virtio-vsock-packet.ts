/** The header in front of every vsock packet: layout, names and codec. virtio 1.2 §5.10.6 */
import type { Chain } from '../virtio/chain.ts'
import { gather } from '../virtio/chain.ts'

/** struct virtio_vsock_hdr: three pairs of addresses and lengths, all little-endian. */
const HEADER = {
  srcCid: 0,
  dstCid: 8,
  srcPort: 16,
  dstPort: 20,
  len: 24,
  type: 28,
  op: 30,
  flags: 32,
  bufAlloc: 36,
  fwdCnt: 40,
} as const
export const VSOCK_HEADER_BYTES = 44

export const VIRTIO_VSOCK_OP = {
  INVALID: 0,
  REQUEST: 1,
  RESPONSE: 2,
  RST: 3,
  SHUTDOWN: 4,
  RW: 5,
  CREDIT_UPDATE: 6,
  CREDIT_REQUEST: 7,
} as const

export const VIRTIO_VSOCK_TYPE_STREAM = 1

/** Bits of `flags` in a SHUTDOWN: what its sender will not do any more. §5.10.6.5 */
export const VIRTIO_VSOCK_SHUTDOWN = { RECEIVE: 1, SEND: 2, BOTH: 3 } as const

/** Well-known context identifier of the host. §5.10.4 */
export const HOST_CID = 2
/** Any port: never one that somebody listens on. */
export const ANY_PORT = 0xffffffff

export interface VsockHeader {
  /** Context identifiers have 64 bits, the upper half of them zero: what does not fit stays a bigint here. */
  readonly srcCid: bigint
  readonly dstCid: bigint
  readonly srcPort: number
  readonly dstPort: number
  /** Bytes of payload. */
  readonly len: number
  readonly type: number
  readonly op: number
  readonly flags: number
  /** Receive buffer of the sender for this stream, and how much it has passed on of what it received. §5.10.6.3 */
  readonly bufAlloc: number
  readonly fwdCnt: number
}

/** Copied before it is looked at: the driver can change its own packet at any time. */
export const readHeader = (chain: Chain): VsockHeader | undefined => {
  const bytes = new Uint8Array(VSOCK_HEADER_BYTES)
  if (gather(chain.readable, bytes) < VSOCK_HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer)
  return {
    srcCid: view.getBigUint64(HEADER.srcCid, true),
    dstCid: view.getBigUint64(HEADER.dstCid, true),
    srcPort: view.getUint32(HEADER.srcPort, true),
    dstPort: view.getUint32(HEADER.dstPort, true),
    len: view.getUint32(HEADER.len, true),
    type: view.getUint16(HEADER.type, true),
    op: view.getUint16(HEADER.op, true),
    flags: view.getUint32(HEADER.flags, true),
    bufAlloc: view.getUint32(HEADER.bufAlloc, true),
    fwdCnt: view.getUint32(HEADER.fwdCnt, true),
  }
}

export const encodeHeader = (header: VsockHeader): Uint8Array => {
  const bytes = new Uint8Array(VSOCK_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(HEADER.srcCid, header.srcCid, true)
  view.setBigUint64(HEADER.dstCid, header.dstCid, true)
  view.setUint32(HEADER.srcPort, header.srcPort, true)
  view.setUint32(HEADER.dstPort, header.dstPort, true)
  view.setUint32(HEADER.len, header.len, true)
  view.setUint16(HEADER.type, header.type, true)
  view.setUint16(HEADER.op, header.op, true)
  view.setUint32(HEADER.flags, header.flags, true)
  view.setUint32(HEADER.bufAlloc, header.bufAlloc, true)
  view.setUint32(HEADER.fwdCnt, header.fwdCnt, true)
  return bytes
}
