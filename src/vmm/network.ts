/** `--net`: a tap of the host as the virtio-net device of one VM. */
import { hostname } from 'node:os'
import type { Reactor } from '../backends/reactor.ts'
import { attachTap, type Tap } from '../backends/tap.ts'
import { type VirtioNet, virtioNet } from '../devices/virtio-net.ts'
import { type CloisterError, HostError, UsageError } from '../errors.ts'
import type { NetworkSpec, RateSpec } from '../instance/run-spec.ts'
import type { AttachContext, Attached, NetworkPlace } from './attach.ts'

type Asked = Exclude<NetworkSpec, { kind: 'none' }>

/** @throws UsageError for what the user can mend, HostError where the host refuses */
export async function attachNetwork(network: Asked, instance: string, context: AttachContext): Promise<Attached> {
  return network.kind === 'tap' ? ownTap(network, instance, context) : namedNetwork(network, instance, context)
}

/** Nobody else can be on that tap: a guest that goes on here keeps the card that it knows. */
function ownTap({ name, rate }: Asked, instance: string, { reactor, log }: AttachContext): Attached {
  const mac = macOf(instance)
  const { device, tap } = openCard(name, { mac, rate, restored: false }, reactor)
  if (!tap.linkUp) log(`the tap ${name} is down, and so is the machine's link: ip link set ${name} up`)
  return attached(device, tap, { mac, describe: () => ({}), commandLine: '', close: () => {} })
}

async function namedNetwork(
  { name, rate }: Asked,
  instance: string,
  { reactor, directory, restored }: AttachContext,
): Promise<Attached> {
  // What makes bridges and taps is loaded for them only.
  const { connectVm } = await import('../network/connect.ts')
  const connection = connectVm(name, instance, directory)
  try {
    const { device, tap } = openCard(connection.tap, { mac: connection.mac, rate, restored }, reactor)
    return attached(device, tap, {
      mac: connection.mac,
      address: connection.settings,
      nat: connection.nat,
      commandLine: connection.bootArgument,
      describe: () => connection.describe(),
      close: () => connection.release(),
    })
  } catch (error) {
    connection.release()
    throw error
  }
}

interface Rest {
  readonly mac: string
  readonly address?: NetworkPlace['address'] | undefined
  readonly nat?: boolean
  readonly commandLine: string
  describe(): Readonly<Record<string, unknown>>
  close(): void
}

function attached(
  device: VirtioNet,
  tap: Tap,
  { mac, address, nat = false, commandLine, describe, close }: Rest,
): Attached {
  return {
    devices: [device],
    ...(address && { network: { mac: bytesOf(mac), address, nat } }),
    commandLine,
    threads: 0,
    describe: () => ({
      network: {
        tap: tap.name,
        mac,
        mtu: tap.mtu,
        link: tap.linkUp ? 'up' : 'down',
        ...device.counters(),
        ...describe(),
      },
    }),
    close() {
      tap.close()
      close()
    },
  }
}

function openCard(
  name: string,
  { mac, rate, restored = false }: { mac: string; rate: RateSpec | undefined; restored: boolean | undefined },
  reactor: Reactor,
): { device: VirtioNet; tap: Tap } {
  const tap = openTap(name, reactor)
  return { tap, device: virtioNet({ backend: tap, mac: bytesOf(mac), moved: restored, rate }) }
}

const bytesOf = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')

function openTap(name: string, reactor: Reactor): Tap {
  try {
    return attachTap(name, reactor)
  } catch (cause) {
    throw tapRefusal(name, cause)
  }
}

/** Whose fault it is that a tap cannot be had, and what to do. */
export function tapRefusal(name: string, cause: unknown): CloisterError {
  if (cause instanceof RangeError)
    return new UsageError(`Cannot attach to the tap "${name}": a name has 1 to 15 characters.`, { cause })
  const { code = '', syscall = '' } = cause as { code?: string; syscall?: string }
  const cannot = `Cannot attach to the tap "${name}"`
  const atDevice = syscall.startsWith('open ')
  if (atDevice && ['ENOENT', 'ENODEV', 'ENXIO'].includes(code))
    return new HostError(`${cannot}: this host has no /dev/net/tun.`, {
      hint: 'Load the driver as root: modprobe tun.',
      cause,
    })
  switch (code) {
    case 'ENODEV':
      return new UsageError(`${cannot}: there is no such interface.`, {
        hint: `Make it as root: ip tuntap add ${name} mode tap user ${userName()} vnet_hdr && ip link set ${name} up.`,
        cause,
      })
    case 'EINVAL':
      return new UsageError(`${cannot}: it is an interface of another kind.`, {
        hint: 'List taps with: ip tuntap show.',
        cause,
      })
    case 'EBUSY':
      return new UsageError(`${cannot}: another process is attached to it.`, {
        hint: 'Give each VM a tap of its own.',
        cause,
      })
    case 'EACCES':
    case 'EPERM':
      return new HostError(`${cannot}: this user has no permission${atDevice ? ' to open /dev/net/tun' : ''}.`, {
        hint: `Its owner may, or root (CAP_NET_ADMIN): ip tuntap add ${name} mode tap user ${userName()}.`,
        cause,
      })
    default:
      return new HostError(`${cannot}: ${syscall || 'the host'} gave ${code || String(cause)}.`, { cause })
  }
}

const userName = () => process.env.USER ?? String(process.getuid?.() ?? 'USER')

const ownPlace = () => `${hostname()} ${process.getuid?.()}`

/**
 * Locally administered, and the same for an instance of this name each time, so that neighbours keep their entries.
 * @param place whose names these are: one wire may join the taps of several hosts and users
 */
export function macOf(instance: string, place = ownPlace()): string {
  // FNV-1a, 64 bits: node:crypto would cost a cold start 5 ms.
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(`${place} ${instance}`))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  // Bit 1: locally administered; bit 0: a group, which no sender is. IEEE 802
  const first = (hash & 0xfcn) | 2n
  const bytes = [first, ...[16n, 24n, 32n, 40n, 48n].map((shift) => (hash >> shift) & 0xffn)]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}
