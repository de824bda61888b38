/** Leases whose process died without giving them back, and what the host still has for them. */
import { bootId } from '../host/boot-id.ts'
import { isAlive } from '../instance/process-identity.ts'
import type { Lease } from './leases.ts'
import { releaseLease } from './release.ts'
import type { NetworkStore } from './store.ts'

export interface DeadLease extends Lease {
  readonly network: string
}

export const sayLeft = ({ network, instance, address }: DeadLease): string =>
  `released ${address} of "${instance}" on network "${network}"`

const isDead = ({ owner, bootId: boot }: Lease): boolean => boot !== bootId() || !isAlive(owner)

/** Of all networks; looks only. */
export const deadLeases = (store: NetworkStore): DeadLease[] =>
  store.names().flatMap((network) =>
    store
      .leases(network)
      .filter(isDead)
      .map((lease) => ({ ...lease, network })),
  )

/** Takes the lock only where there is something to release. */
export function releaseDead(store: NetworkStore): DeadLease[] {
  if (deadLeases(store).length === 0) return []
  return store.locked(() =>
    store.names().flatMap((network) => releaseDeadOf(store, network).released.map((lease) => ({ ...lease, network }))),
  )
}

/** Under the lock. */
export function releaseDeadOf(store: NetworkStore, network: string): { held: Lease[]; released: Lease[] } {
  const leases = store.leases(network)
  const released = leases.filter(isDead)
  const held = leases.filter((lease) => !released.includes(lease))
  for (const lease of released) releaseLease(lease)
  if (released.length > 0) store.writeLeases(network, held)
  return { held, released }
}
