/** What a guest's programs find in /etc of names: its own, and on a network those of others; as in a container. */
import type { GuestFile } from '../agent/guest-config.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { hostResolvers, hostsFile } from '../network/resolvers.ts'
import type { NetworkPlace } from '../vmm/attach.ts'

export function nameFiles({ name, volumes = [] }: Pick<RunSpec, 'name' | 'volumes'>, network?: NetworkPlace) {
  const files: GuestFile[] = [{ path: '/etc/hostname', text: `${name}\n`, ifPossible: true }]
  if (network) {
    files.push({ path: '/etc/hosts', text: hostsFile(name, network.address.address), ifPossible: true })
    const text = network.nat ? hostResolvers() : ''
    if (text !== '') files.push({ path: '/etc/resolv.conf', text, ifPossible: true })
  }
  // What lies in a volume is the host's.
  return files.filter(({ path }) => !volumes.some(({ target }) => path === target || path.startsWith(`${target}/`)))
}
