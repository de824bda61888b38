/** Addresses on lease: which instance of a network has which, and the hardware address that follows from it. */
import type { ProcessIdentity } from '../instance/process-identity.ts'
import { type Address, broadcast, isHostAddress, parseAddress, type Subnet } from './ipv4.ts'

export interface Lease {
  readonly instance: string
  readonly address: string
  /** A VM's is its tap; a container's is its end on the bridge, and the name of its network namespace. */
  readonly interface: string
  readonly kind: 'tap' | 'veth'
  /** The process that holds the instance; with it gone, the lease is nobody's. */
  readonly owner: ProcessIdentity
  readonly bootId: string
}

/** The lowest that nobody has; undefined when there is none. */
export function freeAddress(subnet: Subnet, gateway: Address, leases: readonly Lease[]): Address | undefined {
  const taken = new Set(leases.map(({ address }) => parseAddress(address)))
  taken.add(gateway)
  for (let address = subnet.base + 1; address < broadcast(subnet); address++) {
    if (!taken.has(address)) return address
  }
  return undefined
}

/**
 * Locally administered, unicast (IEEE 802, the two lowest bits of the first byte). It follows from the address, so that
 * whoever has cached the pair is right about the next holder too.
 */
export function macOf(address: Address): string {
  const bytes = [0x02, 0xc1, ...[24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff)]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

const INTERFACE = /^clp[0-9a-f]{12}$/

/** 15 characters are what the kernel takes (IFNAMSIZ). @param random 12 hexadecimal digits */
export const interfaceName = (random: string): string => `clp${random}`

/** A lease names what a sweep removes: only what can be one of ours counts. */
export const isLease = (one: Lease, subnet: Subnet): boolean =>
  typeof one?.instance === 'string' &&
  typeof one.bootId === 'string' &&
  INTERFACE.test(one.interface) &&
  ['tap', 'veth'].includes(one.kind) &&
  isHostAddress(subnet, parseAddress(one.address) ?? -1) &&
  Number.isSafeInteger(one.owner?.pid) &&
  typeof one.owner.startTime === 'string'
