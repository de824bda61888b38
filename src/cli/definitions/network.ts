/** The commands about networks of this host. */
import { COMMON_OPTIONS, type Command } from '../command.ts'
import { JSON_OPTION } from './shared.ts'

export const networkCreate: Command = {
  name: 'network create',
  usage: '[OPTIONS] NAME',
  describe: 'Make a network of this host that containers and VMs can share',
  options: [
    {
      name: 'subnet',
      value: 'CIDR',
      describe: 'Its addresses, such as 10.77.0.0/24 (default: a private /24 that this host reaches nowhere else)',
    },
    { name: 'gateway', value: 'ADDRESS', describe: "The host's own address on it (default: the first of the subnet)" },
    { name: 'nat', describe: 'Let its instances reach what this host reaches, with the address of the host' },
    { name: 'isolated', describe: 'Let its instances reach the host, and not each other' },
    { name: 'mtu', value: 'BYTES', describe: 'Largest packet (default 1500)' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister network create n1', 'a bridge, a subnet, and the host as the first address in it'],
    ['cloister network create n1 --subnet 10.77.0.0/24 --nat', 'with a way out'],
    ['cloister run --isolation container --net n1 /bin/busybox ping -c 1 10.77.0.1', 'a container on it'],
  ],
  epilogue:
    'Networks do not reach each other. A network is a Linux bridge, and a packet filter of its own in nftables; it takes root, and the packages iproute2 and nftables.',
  stopsAtOperand: false,
  operands: { min: 1, max: 1 },
  load: async () => ({ run: (await import('../commands/network.ts')).create }),
}

export const networkLs: Command = {
  name: 'network ls',
  usage: '[-q | --json]',
  describe: 'List the networks of this host',
  options: [{ name: 'quiet', short: 'q', describe: 'Print names only' }, JSON_OPTION, ...COMMON_OPTIONS],
  examples: [
    ['cloister network ls', 'a line for each network'],
    ['cloister network rm $(cloister network ls -q)', 'remove them all'],
  ],
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: async () => ({ run: (await import('../commands/network.ts')).ls }),
}

export const networkInspect: Command = {
  name: 'network inspect',
  usage: 'NETWORK...',
  describe: 'Show all that is known of networks, and who is attached, as JSON',
  options: [...COMMON_OPTIONS],
  examples: [['cloister network inspect n1', 'addresses, switches, and the instances with theirs']],
  stopsAtOperand: false,
  operands: { min: 1, max: Number.POSITIVE_INFINITY, completes: 'network' },
  load: async () => ({ run: (await import('../commands/network.ts')).inspect }),
}

export const networkRm: Command = {
  name: 'network rm',
  usage: 'NETWORK...',
  describe: 'Remove networks that no instance is attached to',
  options: [...COMMON_OPTIONS],
  examples: [['cloister network rm n1', 'its bridge, its packet filter, its record']],
  stopsAtOperand: false,
  operands: { min: 1, max: Number.POSITIVE_INFINITY, completes: 'network' },
  load: async () => ({ run: (await import('../commands/network.ts')).rm }),
}
