/** IPv4 addresses and subnets as numbers, and as people write them. RFC 4632 */

/** 0 to 2^32 - 1. */
export type Address = number

export interface Subnet {
  /** The network's address: no bit set beyond the prefix. */
  readonly base: Address
  readonly prefix: number
}

/** Four decimal numbers and nothing else: no blanks, no leading zeros, which some read as octal. */
export function parseAddress(text: string): Address | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export const formatAddress = (address: Address): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')

/** `A.B.C.D/P`; the bits beyond the prefix may be set: `host` is the address as given. */
export function parseCidr(text: string): (Subnet & { readonly host: Address }) | undefined {
  const [, addressText = '', prefixText = ''] = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(text) ?? []
  const host = parseAddress(addressText)
  const prefix = Number(prefixText)
  if (host === undefined || prefix > 32) return undefined
  return { base: (host & mask(prefix)) >>> 0, prefix, host }
}

export const formatSubnet = ({ base, prefix }: Subnet): string => `${formatAddress(base)}/${prefix}`

/** A shift by 32 would be one by 0. */
const mask = (prefix: number): number => (prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0)

export const netmask = ({ prefix }: Subnet): string => formatAddress(mask(prefix))

/** All of its bits beyond the prefix set. */
export const broadcast = ({ base, prefix }: Subnet): Address => (base | ~mask(prefix)) >>> 0

export const contains = ({ base, prefix }: Subnet, address: Address): boolean => (address & mask(prefix)) >>> 0 === base

/** One of them lies in the other, or they are one. */
export const overlaps = (a: Subnet, b: Subnet): boolean => contains(a, b.base) || contains(b, a.base)

/** Whether a host may have it: in the subnet, and neither its first address nor its last. */
export const isHostAddress = (subnet: Subnet, address: Address): boolean =>
  contains(subnet, address) && address !== subnet.base && address !== broadcast(subnet)
