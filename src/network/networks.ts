/** Networks made, made again after a boot, and removed. All of it under the store's lock. */
import { HostError, UsageError } from '../errors.ts'
import { releaseDeadOf } from './dead.ts'
import { forwardingOff, isForwarding, lowerFirewall, raiseFirewall, switchForwarding } from './firewall.ts'
import {
  addBridge,
  bridgeNames,
  bridgeState,
  bringUp,
  interfaceExists,
  nameIsTaken,
  outwardInterfaces,
  removeInterface,
  routes,
} from './interfaces.ts'
import { formatAddress, formatSubnet, parseCidr } from './ipv4.ts'
import { checkNetworkName } from './name.ts'
import { planNetwork } from './plan.ts'
import type { NetworkRecord, NetworkStore } from './store.ts'
import { requireNetworking } from './tools.ts'

export interface NetworkRequest {
  readonly name: string
  readonly subnet?: string
  readonly gateway?: string
  readonly mtu: number
  readonly nat: boolean
  readonly isolated: boolean
}

/** @param root of the state, which tells apart networks of one name @throws UsageError, HostError */
export function createNetwork(store: NetworkStore, asked: NetworkRequest, root: string): NetworkRecord {
  const { name, mtu, nat, isolated } = asked
  checkNetworkName(name)
  requireNetworking(`create network "${name}"`, ['ip', 'nft'])
  return store.locked(() => {
    if (store.names().includes(name)) {
      throw new UsageError(`Cannot create network "${name}": there is one of that name.`, {
        hint: `"cloister network rm ${name}" removes it.`,
      })
    }
    const others = store.list().map((one) => ({ subnet: parseCidr(one.subnet)!, by: `network "${one.name}"` }))
    const { subnet, gateway } = planNetwork(asked, [...others, ...routes()])
    const facts = { name, subnet: formatSubnet(subnet), gateway: formatAddress(gateway), mtu, nat, isolated }
    const createdAt = new Date().toISOString()
    for (const bridge of bridgeNames(name, root)) {
      if (interfaceExists(bridge)) continue
      const record = { ...facts, bridge, forwarded: [], createdAt }
      // On record first: what a crash leaves half made can be removed by its name.
      store.write(record)
      try {
        addBridge(record)
      } catch (error) {
        store.forget(name)
        if (nameIsTaken(error)) continue
        throw error
      }
      try {
        return settle(store, record)
      } catch (error) {
        takeBack(store, record)
        throw error
      }
    }
    throw new UsageError(`Cannot create network "${name}": all names for its interface are taken.`, {
      hint: `"ip link" shows ${bridgeNames(name, root).join(' and ')}. Choose another name.`,
    })
  })
}

/** What the kernel or a tool refused half-way. The refusal is what counts, not what else fails on the way back. */
function takeBack(store: NetworkStore, record: NetworkRecord): void {
  try {
    lower(store, record)
  } catch {
    // A packet filter that could not be made cannot be removed either.
  }
  store.forget(record.name)
}

/** All but the bridge itself. Nobody passes before the packet filter is there. */
function settle(store: NetworkStore, record: NetworkRecord): NetworkRecord {
  const off = record.nat ? forwardingOff(outwardInterfaces()) : []
  // Noted before it is switched: a crash in between costs nothing.
  const noted = { ...record, forwarded: [...new Set([...record.forwarded, ...off])] }
  if (off.length > 0) store.write(noted)
  raiseFirewall(noted)
  switchForwarding(record.nat ? [...off, record.bridge] : [], 'on')
  bringUp(noted)
  return noted
}

/**
 * Bridges end with the host's boot, and packet filters with "nft flush ruleset"; records do not. Before each use, so
 * that nobody is attached to a network that is not kept apart. Under the lock.
 * @throws HostError where another interface has its name by now
 */
export function raiseAgain(store: NetworkStore, record: NetworkRecord): void {
  const state = bridgeState(record)
  if (state === 'foreign') {
    throw new HostError(`Cannot use network "${record.name}": another interface has the name ${record.bridge}.`, {
      hint: `"ip link show ${record.bridge}" shows it. Remove or rename it, or remove the network and make it again.`,
    })
  }
  if (state === 'none') addBridge(record)
  if (state === 'up') raiseFirewall(record)
  else settle(store, record)
}

/** @throws UsageError while instances are attached */
export function removeNetwork(store: NetworkStore, name: string): void {
  requireNetworking(`remove network "${name}"`, ['ip', 'nft'])
  store.locked(() => {
    const record = store.read(name)
    if (!record) {
      // A crash before the record was whole left a name, and nothing on the host.
      if (!store.names().includes(name)) store.named(name, 'remove')
      store.forget(name)
      return
    }
    const { held } = releaseDeadOf(store, name)
    if (held.length > 0) {
      const names = held.map(({ instance }) => `"${instance}"`).join(', ')
      throw new UsageError(`Cannot remove network "${name}": ${names} ${held.length === 1 ? 'is' : 'are'} attached.`, {
        hint: `End ${held.length === 1 ? 'it' : 'them'} first: cloister stop ${held.map(({ instance }) => instance).join(' ')}`,
      })
    }
    lower(store, record)
    store.forget(name)
  })
}

function lower(store: NetworkStore, record: NetworkRecord): void {
  // The table has the name of the bridge: where that is another's by now, so is the table.
  const state = bridgeState(record)
  if (state !== 'none' && state !== 'foreign') removeInterface(record.bridge)
  if (state !== 'foreign') lowerFirewall(record)
  if (record.forwarded.length === 0) return
  const heir = store.list().find(({ name, nat }) => nat && name !== record.name)
  if (heir) {
    // Another one that goes the same way out inherits the duty to switch it back.
    const inherited = { ...heir, forwarded: [...new Set([...heir.forwarded, ...record.forwarded])] }
    store.write(inherited)
    if (interfaceExists(inherited.bridge)) raiseFirewall(inherited)
  } else if (!isForwarding('all')) {
    // Where the whole host forwards by now, somebody else counts on it.
    switchForwarding(record.forwarded, 'off')
  }
}

export const isRaised = ({ bridge }: NetworkRecord): boolean => interfaceExists(bridge)
