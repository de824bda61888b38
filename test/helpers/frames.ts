/** Ethernet frames for tests that are the other end of a wire: ARP (RFC 826) and ICMP echo (RFC 792). */

export const ETHERNET = { ipv4: 0x0800, arp: 0x0806 } as const
export const ARP = { request: 1, reply: 2 } as const
export const ICMP = { echoReply: 0, echo: 8 } as const
export const BROADCAST = Buffer.alloc(6, 0xff)

export interface Party {
  readonly mac: Uint8Array
  readonly address: string
}

const addressBytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number))
const addressAt = (bytes: Buffer, at: number): string => [...bytes.subarray(at, at + 4)].join('.')

/** RFC 1071; over bytes that hold their checksum it is 0. */
export const checksumOf = (bytes: Uint8Array): number => {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const ethernet = (to: Uint8Array, from: Uint8Array, type: number, inside: Uint8Array): Buffer => {
  const head = Buffer.alloc(14)
  head.set(to, 0)
  head.set(from, 6)
  head.writeUInt16BE(type, 12)
  return Buffer.concat([head, inside])
}

export const arpFrame = (operation: number, sender: Party, target: Party): Buffer => {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation])
  const parts = [head, sender.mac, addressBytes(sender.address), target.mac, addressBytes(target.address)]
  return ethernet(operation === ARP.request ? BROADCAST : target.mac, sender.mac, ETHERNET.arp, Buffer.concat(parts))
}

export const echoFrame = (
  type: number,
  from: Party,
  to: Party,
  id: number,
  sequence: number,
  data: Uint8Array,
): Buffer => {
  const icmp = Buffer.concat([Buffer.from([type, 0, 0, 0, id >> 8, id & 255, sequence >> 8, sequence & 255]), data])
  icmp.writeUInt16BE(checksumOf(icmp), 2)
  const ip = Buffer.from([
    0x45,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    64,
    1,
    0,
    0,
    ...addressBytes(from.address),
    ...addressBytes(to.address),
  ])
  ip.writeUInt16BE(ip.length + icmp.length, 2)
  ip.writeUInt16BE(checksumOf(ip), 10)
  return ethernet(to.mac, from.mac, ETHERNET.ipv4, Buffer.concat([ip, icmp]))
}

export type Frame =
  | { readonly kind: 'arp'; readonly operation: number; readonly sender: Party; readonly target: Party }
  | {
      readonly kind: 'echo'
      readonly type: number
      readonly from: Party
      readonly to: string
      readonly id: number
      readonly sequence: number
      readonly data: Buffer
      /** Both checksums hold. */
      readonly sound: boolean
    }
  | { readonly kind: 'other' }

/** What one of the two says; a frame of any other kind is 'other'. */
export const parseFrame = (frame: Buffer): Frame => {
  const type = frame.length < 42 ? 0 : frame.readUInt16BE(12)
  const party = (at: number): Party => ({ mac: frame.subarray(at, at + 6), address: addressAt(frame, at + 6) })
  if (type === ETHERNET.arp)
    return { kind: 'arp', operation: frame.readUInt16BE(20), sender: party(22), target: party(32) }
  if (type !== ETHERNET.ipv4 || frame[14] !== 0x45 || frame[23] !== 1) return { kind: 'other' }
  const icmp = frame.subarray(34, 14 + frame.readUInt16BE(16))
  return {
    kind: 'echo',
    type: icmp[0]!,
    from: { mac: frame.subarray(6, 12), address: addressAt(frame, 26) },
    to: addressAt(frame, 30),
    id: icmp.readUInt16BE(4),
    sequence: icmp.readUInt16BE(6),
    data: icmp.subarray(8),
    sound: checksumOf(frame.subarray(14, 34)) === 0 && checksumOf(icmp) === 0,
  }
}
