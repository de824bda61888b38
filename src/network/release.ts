/** Takes back what the host has for a lease: the interface, and a container's network namespace. */
import { existsSync } from 'node:fs'
import { interfaceExists } from './interfaces.ts'
import type { Lease } from './leases.ts'
import { ip } from './tools.ts'

/** Where `ip netns` keeps them. ip-netns(8) */
export const namespacePath = (name: string): string => `/run/netns/${name}`

/** Idempotent; what is gone is gone. */
export function releaseLease(lease: Lease): void {
  const action = `take back ${lease.address} of "${lease.instance}"`
  const lines = removals(lease)
  if (lines.length === 0) return
  try {
    ip(action, lines)
  } catch {
    // Something may have gone by itself in between, as one end of a pair does with the other's namespace.
    const rest = removals(lease)
    if (rest.length > 0) ip(action, rest)
  }
}

const removals = ({ interface: name, kind }: Lease): string[] => [
  // One end of a pair takes the other with it, wherever that is.
  ...(interfaceExists(name) ? [`link delete dev ${name}`] : []),
  ...(kind === 'veth' && existsSync(namespacePath(name)) ? [`netns delete ${name}`] : []),
]
