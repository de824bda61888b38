/** Feature bits of the network device and what they say about frames. virtio 1.2 §5.1.3 */
import type { Offloads } from '../backends/net-backend.ts'

const bit = (number: number) => 1n << BigInt(number)

export const VIRTIO_NET_F = {
  CSUM: bit(0),
  GUEST_CSUM: bit(1),
  CTRL_GUEST_OFFLOADS: bit(2),
  MTU: bit(3),
  MAC: bit(5),
  GUEST_TSO4: bit(7),
  GUEST_TSO6: bit(8),
  GUEST_ECN: bit(9),
  HOST_TSO4: bit(11),
  HOST_TSO6: bit(12),
  HOST_ECN: bit(13),
  MRG_RXBUF: bit(15),
  STATUS: bit(16),
  CTRL_VQ: bit(17),
  CTRL_MAC_ADDR: bit(23),
  GUEST_USO4: bit(54),
  GUEST_USO6: bit(55),
  HOST_USO: bit(56),
} as const

const F = VIRTIO_NET_F

/** Frames of the guest that the host completes. UFO is left out: Linux gave it up in 4.14. */
const TO_HOST: Readonly<Record<keyof Offloads, bigint>> = {
  checksum: F.CSUM,
  tso4: F.HOST_TSO4,
  tso6: F.HOST_TSO6,
  ecn: F.HOST_ECN,
  uso: F.HOST_USO,
}

/** Frames for the guest that the guest completes; also the bits of VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET. */
const TO_GUEST: Readonly<Record<keyof Offloads, bigint>> = {
  checksum: F.GUEST_CSUM,
  tso4: F.GUEST_TSO4,
  tso6: F.GUEST_TSO6,
  ecn: F.GUEST_ECN,
  uso: F.GUEST_USO4 | F.GUEST_USO6,
}

const bitsOf = (offloads: Offloads, table: Readonly<Record<keyof Offloads, bigint>>): bigint =>
  Object.entries(table).reduce((bits, [name, mask]) => (offloads[name as keyof Offloads] ? bits | mask : bits), 0n)

/** A driver that takes a feature without the one it needs (§5.1.3.1) does not get it. */
const offloadsOf = (bits: bigint, table: Readonly<Record<keyof Offloads, bigint>>): Offloads => {
  const has = (name: keyof Offloads) => (bits & table[name]) === table[name]
  const checksum = has('checksum')
  const tso4 = checksum && has('tso4')
  const tso6 = checksum && has('tso6')
  return { checksum, tso4, tso6, ecn: (tso4 || tso6) && has('ecn'), uso: checksum && has('uso') }
}

export const toHostBits = (offloads: Offloads): bigint => bitsOf(offloads, TO_HOST)
export const toGuestBits = (offloads: Offloads): bigint => bitsOf(offloads, TO_GUEST)
export const toHostOffloads = (features: bigint): Offloads => offloadsOf(features, TO_HOST)
export const toGuestOffloads = (features: bigint): Offloads => offloadsOf(features, TO_GUEST)

/** Every bit that VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET may name. */
export const GUEST_OFFLOAD_BITS = Object.values(TO_GUEST).reduce((all, mask) => all | mask, 0n)
