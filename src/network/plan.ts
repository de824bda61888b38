/** Which subnet and gateway a new network gets, by what was asked and what the host has already. */
import { UsageError } from '../errors.ts'
import type { Address, Subnet } from './ipv4.ts'
import {
  broadcast,
  contains,
  formatAddress,
  formatSubnet,
  isHostAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from './ipv4.ts'

/** A /31 has no address for a gateway beside a network's and a broadcast's; beyond /8 lies what is nobody's to take. */
const [WIDEST, NARROWEST] = [8, 30]

/** Private (RFC 1918), and not where docker, libvirt and home routers look first. */
const POOL: Subnet = { base: parseAddress('10.77.0.0')!, prefix: 16 }
const POOL_PREFIX = 24

/** This host, link-local, multicast and what lies above it: no network of hosts. RFC 6890 */
const UNUSABLE = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].map((text) => parseCidr(text)!)

export interface Plan {
  readonly subnet: Subnet
  readonly gateway: Address
}

export interface Taken {
  readonly subnet: Subnet
  /** `the route 10.0.0.0/8 of eth0`, `network n2`: for the message. */
  readonly by: string
}

/** @param taken what the host reaches elsewhere @throws UsageError */
export function planNetwork(asked: { subnet?: string; gateway?: string }, taken: readonly Taken[]): Plan {
  const subnet = asked.subnet === undefined ? freeSubnet(taken) : checkSubnet(asked.subnet, taken)
  return { subnet, gateway: asked.gateway === undefined ? subnet.base + 1 : checkGateway(asked.gateway, subnet) }
}

function freeSubnet(taken: readonly Taken[]): Subnet {
  for (let base = POOL.base; contains(POOL, base); base += 2 ** (32 - POOL_PREFIX)) {
    const subnet = { base, prefix: POOL_PREFIX }
    if (!taken.some((one) => overlaps(one.subnet, subnet))) return subnet
  }
  throw new UsageError(`Cannot find a free subnet: all of ${formatSubnet(POOL)} is in use.`, {
    hint: 'Give one with --subnet, such as 192.168.77.0/24.',
  })
}

function checkSubnet(text: string, taken: readonly Taken[]): Subnet {
  const parsed = parseCidr(text)
  if (!parsed) {
    throw new UsageError(`Cannot use ${JSON.stringify(text.slice(0, 80))} as a subnet.`, {
      hint: 'Write an IPv4 address and a prefix: --subnet 10.77.0.0/24.',
    })
  }
  const { host, ...subnet } = parsed
  const refuse = (why: string, hint: string) => new UsageError(`Cannot use ${text} as a subnet: ${why}.`, { hint })
  if (subnet.prefix < WIDEST || subnet.prefix > NARROWEST) {
    throw refuse(`its prefix is not between /${WIDEST} and /${NARROWEST}`, 'A /24 has room for 253 instances.')
  }
  if (host !== subnet.base)
    throw refuse('it is the address of a host in one', `Write --subnet ${formatSubnet(subnet)}.`)
  const unusable = UNUSABLE.find((one) => overlaps(one, subnet))
  if (unusable) {
    throw refuse(
      `${formatSubnet(unusable)} is not for networks of hosts`,
      'Private ones lie in 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16.',
    )
  }
  const other = taken.find((one) => overlaps(one.subnet, subnet))
  if (other) throw refuse(`it overlaps ${other.by}`, 'Without --subnet a free one is chosen.')
  return subnet
}

function checkGateway(text: string, subnet: Subnet): Address {
  const gateway = parseAddress(text)
  if (gateway !== undefined && isHostAddress(subnet, gateway)) return gateway
  const [first, last] = [subnet.base + 1, broadcast(subnet) - 1].map(formatAddress)
  throw new UsageError(`Cannot use ${JSON.stringify(text.slice(0, 80))} as the gateway of ${formatSubnet(subnet)}.`, {
    hint: `It is the host's own address on the network: one from ${first} to ${last}.`,
  })
}
