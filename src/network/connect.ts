/** An instance's place on a network: an address on lease, and the interface that carries its frames. */
import { randomBytes } from 'node:crypto'
import { HostError } from '../errors.ts'
import { bootId } from '../host/boot-id.ts'
import { ownIdentity } from '../instance/process-identity.ts'
import { releaseDeadOf } from './dead.ts'
import { plugIn } from './interfaces.ts'
import { formatAddress, netmask, parseAddress, parseCidr } from './ipv4.ts'
import { freeAddress, interfaceName, type Lease, macOf } from './leases.ts'
import { raiseAgain } from './networks.ts'
import { namespacePath, releaseLease } from './release.ts'
import { type NetworkRecord, NetworkStore } from './store.ts'
import { ip, requireNetworking } from './tools.ts'

interface Connection {
  /** `10.77.0.2` */
  readonly address: string
  readonly mac: string
  readonly mtu: number
  /** Facts for `inspect`. */
  describe(): Readonly<Record<string, unknown>>
  /** Removes the interface and gives the address back; idempotent, and never throws. */
  release(): void
}

export interface TapConnection extends Connection {
  /** A tap of the host, made with vnet_hdr, up, a port of the network's bridge already. */
  readonly tap: string
  /** `ip=<client>::<gateway>:<netmask>:<hostname>:eth0:off`. Linux, admin-guide/nfs/nfsroot.rst */
  readonly bootArgument: string
  /** The same, for a guest that runs already. */
  readonly settings: { readonly address: string; readonly netmask: string; readonly gateway: string }
  readonly nat: boolean
}

export interface NamespaceConnection extends Connection {
  /** A network namespace with `lo` and `eth0` up, addresses and the default route set. */
  readonly namespace: string
  readonly nat: boolean
}

/** @throws UsageError for no such network, HostError where the host refuses */
export function connectVm(network: string, instance: string, _directory?: string): TapConnection {
  const { record, lease, connection } = take(network, instance, 'tap', ({ interface: tap }, record) => {
    const lines = [`tuntap add dev ${tap} mode tap vnet_hdr`, ...plugIn(tap, about(instance), record)]
    ip(`make a tap for "${instance}"`, lines)
  })
  const subnet = parseCidr(record.subnet)!
  const settings = { address: lease.address, netmask: netmask(subnet), gateway: record.gateway }
  const bootArgument = `ip=${settings.address}::${settings.gateway}:${settings.netmask}:${instance}:eth0:off`
  return { ...connection, tap: lease.interface, bootArgument, settings, nat: record.nat }
}

/** @throws UsageError for no such network, HostError where the host refuses */
export function connectContainer(network: string, instance: string): NamespaceConnection {
  const { record, lease, connection } = take(network, instance, 'veth', (lease, record) => {
    const { interface: name, address } = lease
    const { prefix } = parseCidr(record.subnet)!
    const action = `make the network namespace of "${instance}"`
    const mac = macOf(parseAddress(address)!)
    ip(action, [
      `netns add ${name}`,
      `link add name ${name} type veth peer name eth0 address ${mac} mtu ${record.mtu} netns ${name}`,
      ...plugIn(name, about(instance), record),
    ])
    const inside = [
      'link set dev lo up',
      `address add ${address}/${prefix} broadcast + dev eth0`,
      'link set dev eth0 up',
      `route add default via ${record.gateway}`,
    ]
    ip(action, inside, ['-netns', name])
  })
  return { ...connection, namespace: namespacePath(lease.interface), nat: record.nat }
}

/** What `ip link` shows beside its interface. */
const about = (instance: string): string => `cloister ${instance}`

interface Place {
  readonly record: NetworkRecord
  readonly lease: Lease
  readonly connection: Connection
}

/** The lease is on record before anything is made: what a crash leaves is found by it. */
function take(
  network: string,
  instance: string,
  kind: Lease['kind'],
  make: (lease: Lease, record: NetworkRecord) => void,
): Place {
  const action = `attach "${instance}" to`
  requireNetworking(`${action} network "${network}"`, ['ip', 'nft'])
  const store = new NetworkStore()
  const { record, lease } = store.locked(() => {
    const record = store.named(network, action)
    raiseAgain(store, record)
    return { record, lease: newLease(store, record, instance, kind) }
  })
  let released = false
  const release = () => {
    if (released) return
    released = true
    try {
      releaseLease(lease)
      store.locked(() => {
        if (store.read(network)) store.writeLeases(network, without(store.leases(network), lease))
      })
    } catch {
      // The instance has ended well all the same. What stays is on record: the next sweep tries again, and says why not.
    }
  }
  try {
    make(lease, record)
  } catch (error) {
    release()
    throw error
  }
  const { address } = lease
  const mac = macOf(parseAddress(address)!)
  const facts = { network, address, subnet: record.subnet, gateway: record.gateway, mac, interface: lease.interface }
  return { record, lease, connection: { address, mac, mtu: record.mtu, describe: () => facts, release } }
}

function newLease(store: NetworkStore, record: NetworkRecord, instance: string, kind: Lease['kind']): Lease {
  const { held } = releaseDeadOf(store, record.name)
  const address = freeAddress(parseCidr(record.subnet)!, parseAddress(record.gateway)!, held)
  if (address === undefined) {
    throw new HostError(`Cannot attach "${instance}" to network "${record.name}": all its addresses are in use.`, {
      hint: `${record.subnet} has room for no more. A new network can be wider: --subnet with a smaller prefix.`,
    })
  }
  const lease: Lease = {
    instance,
    address: formatAddress(address),
    interface: interfaceName(randomBytes(6).toString('hex')),
    kind,
    owner: ownIdentity(),
    bootId: bootId(),
  }
  store.writeLeases(record.name, [...held, lease])
  return lease
}

const without = (leases: readonly Lease[], { interface: name }: Lease): Lease[] =>
  leases.filter((lease) => lease.interface !== name)
