/** The interfaces behind a network: its bridge, and what is plugged into it. Everything is done by `ip`. ip-link(8) */
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { formatSubnet, parseAddress, parseCidr } from './ipv4.ts'
import { macOf } from './leases.ts'
import type { Taken } from './plan.ts'
import type { NetworkRecord } from './store.ts'
import { ip, ipJson, ToolError } from './tools.ts'

/** Of this process's network namespace, which /sys is not: that belongs to the one that mounted it. */
const settings = (family: 'ipv4' | 'ipv6', name: string): string => `/proc/sys/net/${family}/conf/${name}`

export const interfaceExists = (name: string): boolean => existsSync(settings('ipv4', name))

/** 15 characters are the kernel's limit (IFNAMSIZ), and somebody else's interface may have the plain one. */
export function bridgeNames(network: string, root: string): string[] {
  const hash = createHash('sha256').update(`${root}\0${network}`).digest('hex').slice(0, 10)
  return [...(network.length <= 12 ? [`cl-${network}`] : []), `cl-${hash}`]
}

/** What `ip link` shows beside it, and by which we know it for ours: no two networks are of one moment. */
const aliasOf = ({ name, createdAt }: NetworkRecord): string => `cloister network ${name} of ${createdAt}`

/** Takes the name, atomically among all of this host. @throws ToolError saying "File exists" when another has it */
export function addBridge(record: NetworkRecord): void {
  const { name, bridge, gateway } = record
  // An address of its own: the kernel would take the lowest of its ports', which instances remember and which leave.
  const address = macOf(parseAddress(gateway)!)
  ip(`make the bridge of network "${name}"`, [
    `link add name ${bridge} address ${address} type bridge stp_state 0 forward_delay 0`,
    `link set dev ${bridge} alias "${aliasOf(record)}"`,
  ])
}

/** Up comes last: where it is up, the rest is done. */
export function bringUp({ name, bridge, subnet, gateway, mtu }: NetworkRecord): void {
  const { prefix } = parseCidr(subnet)!
  withoutIpv6(bridge)
  ip(`bring up the bridge of network "${name}"`, [
    `link set dev ${bridge} mtu ${mtu}`,
    `address replace ${gateway}/${prefix} broadcast + dev ${bridge}`,
    `link set dev ${bridge} up`,
  ])
}

interface Link {
  readonly ifname?: string
  readonly ifalias?: string
  readonly flags?: readonly string[]
}

/** `foreign`: another interface has its name. */
export function bridgeState(record: NetworkRecord): 'none' | 'foreign' | 'down' | 'up' {
  if (!interfaceExists(record.bridge)) return 'none'
  const links = ipJson(`look at network "${record.name}"`, ['link', 'show', 'dev', record.bridge]) as Link[]
  const link = links.find(({ ifname }) => ifname === record.bridge)
  if (link?.ifalias !== aliasOf(record)) return 'foreign'
  return link.flags?.includes('UP') ? 'up' : 'down'
}

/** Also when it is gone already. */
export function removeInterface(name: string): void {
  if (!interfaceExists(name)) return
  try {
    ip(`remove the interface ${name}`, [`link delete dev ${name}`])
  } catch (error) {
    if (interfaceExists(name)) throw error
  }
}

/** For `ip`: plugs in an interface that is not up yet. @param about what `ip link` shows beside it */
export const plugIn = (port: string, about: string, { bridge, mtu, isolated }: NetworkRecord): string[] => [
  // A port's frames never reach the host's own IPv6, so no address of that kind either.
  `link set dev ${port} alias "${about}" mtu ${mtu} addrgenmode none`,
  `link set dev ${port} master ${bridge}`,
  ...(isolated ? [`link set dev ${port} type bridge_slave isolated on`] : []),
  `link set dev ${port} up`,
]

/** An instance could otherwise make itself the host's router by an advertisement. Before the interface is up. RFC 4861 */
function withoutIpv6(name: string): void {
  const path = `${settings('ipv6', name)}/disable_ipv6`
  if (existsSync(path)) writeFileSync(path, '1')
}

interface Route {
  readonly type?: string
  readonly dst?: string
  readonly dev?: string
}

/** Where the host sends packets already. */
export function routes(): Taken[] {
  const all = ipJson('read the routes of this host', ['-4', 'route', 'show', 'table', 'all']) as Route[]
  return all.flatMap(({ dst = '', dev }) => {
    const subnet = dst === 'default' ? undefined : parseCidr(dst.includes('/') ? dst : `${dst}/32`)
    if (!subnet || subnet.prefix === 0) return []
    return [{ subnet, by: `the route ${formatSubnet(subnet)}${dev === undefined ? '' : ` of ${dev}`} on this host` }]
  })
}

/** The interfaces by which this host reaches what is elsewhere. */
export function outwardInterfaces(): string[] {
  const all = ipJson('read the routes of this host', ['-4', 'route', 'show', 'default']) as Route[]
  return [...new Set(all.flatMap(({ dev }) => dev ?? []))]
}

export const nameIsTaken = (error: unknown): boolean => error instanceof ToolError && /File exists/.test(error.said)
