/** Frames that the bench's end of the wire sends: ARP (RFC 826), and ICMP echoes (RFC 792) over IPv4 (RFC 791). */

export type Bytes = readonly number[]

/** Ours is what guest-kernel/tests/net-load.c sends to. Addresses of the range for benchmarks, RFC 2544. */
export const OUR_MAC: Bytes = [2, 0, 0, 0, 0, 0x77]
export const OUR_ADDRESS: Bytes = [198, 18, 251, 1]
export const GUEST_ADDRESS: Bytes = [198, 18, 251, 2]
const BROADCAST: Bytes = new Array(6).fill(0xff)

/** Linux's ip= for the guest, Documentation/admin-guide/nfs/nfsroot.rst. */
export const GUEST_SETTINGS = `ip=${GUEST_ADDRESS.join('.')}::${OUR_ADDRESS.join('.')}:255.255.255.0:u:eth0:off`

const ETHERNET_BYTES = 14
const IPV4_BYTES = 20
const ICMP_BYTES = 8
export const ICMP_ECHO_REPLY = 0
export const ICMP_ECHO = 8

const u16 = (value: number) => [value >> 8, value & 0xff]

/** RFC 1071 */
function checksum(bytes: Bytes): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}

/** Filled in where it belongs. */
const withChecksum = (bytes: Bytes, at: number): number[] => [
  ...bytes.slice(0, at),
  ...u16(checksum(bytes)),
  ...bytes.slice(at + 2),
]

/** Who has the guest's address? It learns ours by that. */
export const arpRequest = (): Uint8Array =>
  Uint8Array.of(
    ...[...BROADCAST, ...OUR_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    ...[...OUR_MAC, ...OUR_ADDRESS, 0, 0, 0, 0, 0, 0, ...GUEST_ADDRESS],
  )

/** In a frame of `bytes`. */
export function icmp(type: typeof ICMP_ECHO | typeof ICMP_ECHO_REPLY, mac: Uint8Array, bytes: number): Uint8Array {
  const payload = new Array<number>(bytes - ETHERNET_BYTES - IPV4_BYTES - ICMP_BYTES).fill(0x5a)
  const message = withChecksum([type, 0, 0, 0, 0, 1, 0, 1, ...payload], 2)
  const length = u16(IPV4_BYTES + message.length)
  const header = withChecksum([0x45, 0, ...length, 0, 1, 0, 0, 64, 1, 0, 0, ...OUR_ADDRESS, ...GUEST_ADDRESS], 10)
  return Uint8Array.of(...mac, ...OUR_MAC, 8, 0, ...header, ...message)
}

/** Of no protocol that anybody listens to: an experimental EtherType, IEEE 802. */
export function silentFrame(mac: Uint8Array, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes)
  frame.set([...mac, ...OUR_MAC, 0x88, 0xb5])
  return frame
}

/** The guest's MAC address, where this is its answer to an ARP request. */
export function arpAnswer(frame: Uint8Array): Uint8Array | undefined {
  const isAnswer = frame.length >= 42 && frame[12] === 8 && frame[13] === 6 && frame[21] === 2
  return isAnswer && GUEST_ADDRESS.every((byte, at) => frame[28 + at] === byte) ? frame.slice(22, 28) : undefined
}

export const isEchoReply = (frame: Uint8Array): boolean =>
  frame.length >= 42 && frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[34] === ICMP_ECHO_REPLY
