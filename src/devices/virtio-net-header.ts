/**
 * struct virtio_net_hdr_v1: what is still to be done to a frame. A guest may write anything there, and the host acts on
 * it: what gets past here was negotiated and lies inside the frame. virtio 1.2 §5.1.6.2
 *
 * Linux's tun checks much of it again (drivers/net/tun.c tun_get_user, include/linux/virtio_net.h
 * virtio_net_hdr_to_skb: ranges, known types, a gso_size), not what was negotiated.
 */
import type { Offloads } from '../backends/net-backend.ts'

/** Offsets: u8 flags, u8 gso_type, le16 hdr_len, gso_size, csum_start, csum_offset, num_buffers. §5.1.6 */
export const NET_HDR = {
  flags: 0,
  gsoType: 1,
  headerLength: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
  buffers: 10,
} as const

export const NET_HEADER_BYTES = 12

export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1
export const VIRTIO_NET_HDR_F_DATA_VALID = 2
export const VIRTIO_NET_HDR_GSO_NONE = 0
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5
export const VIRTIO_NET_HDR_GSO_ECN = 0x80

export const ETHERNET_HEADER_BYTES = 14
/** With two VLAN tags. */
const ETHERNET_OVERHEAD = ETHERNET_HEADER_BYTES + 8
/** The largest packet that IP's length field can tell; IPv6 counts its 40 bytes of header apart. */
const PACKET_MAX = 65_535 + 40
/** Every link carries as much, whatever MTU a driver was told and did not take. */
const MTU_FLOOR = 1500

/** Bytes of the largest frame that holds many segments, without our header. */
export const SEGMENTED_FRAME_MAX = PACKET_MAX + ETHERNET_OVERHEAD

/** Of any other. */
export const frameMax = (mtu: number): number => Math.max(mtu, MTU_FLOOR) + ETHERNET_OVERHEAD

/**
 * Checks our copy of a driver's header against a frame of `frameBytes`, and clears what a driver has no say in.
 * @returns whether the frame may go out
 */
export function admitHeader(header: DataView, frameBytes: number, allowed: Offloads, mtu: number): boolean {
  const needsChecksum = (header.getUint8(NET_HDR.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0
  const gsoType = header.getUint8(NET_HDR.gsoType)
  // The other flags are the device's to set (§5.1.6.2.1), and so is the number of buffers.
  header.setUint8(NET_HDR.flags, needsChecksum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0)
  header.setUint16(NET_HDR.buffers, 0, true)

  if (needsChecksum) {
    const start = header.getUint16(NET_HDR.checksumStart, true)
    const end = start + header.getUint16(NET_HDR.checksumOffset, true) + 2
    if (!allowed.checksum || start < ETHERNET_HEADER_BYTES || end > frameBytes) return false
  } else header.setUint32(NET_HDR.checksumStart, 0, true)

  if (gsoType === VIRTIO_NET_HDR_GSO_NONE) {
    header.setUint32(NET_HDR.headerLength, 0, true)
    return frameBytes <= frameMax(mtu)
  }
  // A hint, and not to be relied on (§5.1.6.2.2): one that cannot be true is none.
  const hint = header.getUint16(NET_HDR.headerLength, true)
  if (hint < ETHERNET_HEADER_BYTES || hint > frameBytes) header.setUint16(NET_HDR.headerLength, 0, true)
  return (
    needsChecksum &&
    header.getUint16(NET_HDR.gsoSize, true) > 0 &&
    frameBytes <= SEGMENTED_FRAME_MAX &&
    allowsGso(gsoType, allowed)
  )
}

/** Whether frames of this kind were agreed on. */
export const allowsGso = (gsoType: number, { tso4, tso6, uso, ecn }: Offloads): boolean => {
  const hasEcn = (gsoType & VIRTIO_NET_HDR_GSO_ECN) !== 0
  switch (gsoType & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      return tso4 && (ecn || !hasEcn)
    case VIRTIO_NET_HDR_GSO_TCPV6:
      return tso6 && (ecn || !hasEcn)
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      return uso && !hasEcn
    default:
      return false
  }
}
