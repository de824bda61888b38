/** What a container is told of names: its own, and on a network those of others, or whom to ask when there is a way out. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunSpec } from '../instance/run-spec.ts'
import type { NamespaceConnection } from '../network/connect.ts'
import { hostResolvers, hostsFile } from '../network/resolvers.ts'
import { type OciMount, readOnlyFile } from './mounts.ts'

/** Files of their own over those of the root, which may be anybody's. */
export function nameMounts({ name }: RunSpec, directory: string, connection?: NamespaceConnection): OciMount[] {
  const files = [
    { path: '/etc/hostname', text: `${name}\n` },
    ...(connection ? [{ path: '/etc/hosts', text: hostsFile(name, connection.address) }] : []),
    ...(connection?.nat ? [{ path: '/etc/resolv.conf', text: hostResolvers() }] : []),
  ]
  return files
    .filter(({ text }) => text !== '')
    .map(({ path, text }) => {
      const own = join(directory, path.replaceAll('/', '-').slice(1))
      writeFileSync(own, text, { mode: 0o644 })
      return readOnlyFile(own, path)
    })
}
