/**
 * What keeps a network apart, and with `--nat` lets it out: one nftables table each, removed whole, and the forwarding
 * switches of exactly the interfaces that need it. nft(8); Linux, networking/ip-sysctl.rst, "forwarding"
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { NetworkRecord } from './store.ts'
import { nft } from './tools.ts'

/** Every bridge of ours begins so (interfaces.ts). */
const OUR_BRIDGES = 'cl-*'

/** Atomic, and the same if the table is there already. */
export function raiseFirewall(record: NetworkRecord): void {
  nft(`set up the packet filter of network "${record.name}"`, ruleset(record))
}

export function ruleset(record: NetworkRecord): string {
  const { bridge } = record
  return [
    `table ip ${bridge} {}`,
    `delete table ip ${bridge}`,
    `table ip ${bridge} {`,
    ...(record.nat ? natRules(record) : closedRules(record)),
    '}',
    '',
  ].join('\n')
}

const chain = (name: string, kind: string, rules: readonly string[]): string[] => [
  `  chain ${name} {`,
  `    type ${kind}; policy accept;`,
  ...rules.map((rule) => `    ${rule}`),
  '  }',
]

/** Frames from port to port pass here too where br_netfilter is loaded. */
const withinBridge = (bridge: string) => `iifname "${bridge}" oifname "${bridge}" accept`

/** The host alone, by its address here; nobody passes through. */
const closedRules = ({ bridge, gateway }: NetworkRecord): string[] => [
  ...chain('forward', 'filter hook forward priority filter', [
    withinBridge(bridge),
    `iifname "${bridge}" drop`,
    `oifname "${bridge}" drop`,
  ]),
  ...chain('input', 'filter hook input priority filter', [
    `iifname "${bridge}" fib daddr type local ip daddr != ${gateway} drop`,
  ]),
]

/** Out with the host's address, but to no other network of ours; in only what answers. */
const natRules = ({ bridge, subnet, forwarded }: NetworkRecord): string[] => [
  ...chain('forward', 'filter hook forward priority filter', [
    withinBridge(bridge),
    `iifname "${bridge}" ip saddr != ${subnet} drop`,
    `iifname "${bridge}" oifname "${OUR_BRIDGES}" drop`,
    `oifname "${bridge}" ct state established,related accept`,
    `oifname "${bridge}" drop`,
    // Forwarding was off there: what is for nobody here still goes nowhere.
    ...forwarded.map((name) => `iifname "${name}" oifname != "${OUR_BRIDGES}" drop`),
  ]),
  ...chain('postrouting', 'nat hook postrouting priority srcnat', [
    `ip saddr ${subnet} oifname != "${bridge}" masquerade`,
  ]),
]

export function lowerFirewall({ name, bridge }: NetworkRecord): void {
  nft(`remove the packet filter of network "${name}"`, `table ip ${bridge} {}\ndelete table ip ${bridge}\n`)
}

const switchOf = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/forwarding`

export const isForwarding = (name: string): boolean =>
  existsSync(switchOf(name)) && readFileSync(switchOf(name), 'utf8').trim() !== '0'

/** Those of the interfaces on which it is off. */
export const forwardingOff = (names: readonly string[]): string[] =>
  names.filter((name) => existsSync(switchOf(name)) && !isForwarding(name))

export function switchForwarding(names: readonly string[], to: 'on' | 'off'): void {
  for (const name of names) if (existsSync(switchOf(name))) writeFileSync(switchOf(name), to === 'on' ? '1' : '0')
}
