/** What a container on a network is told of names: its own, and whom to ask for others when there is a way out. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunSpec } from '../instance/run-spec.ts'
import type { NamespaceConnection } from '../network/connect.ts'
import { type OciMount, readOnlyFile } from './mounts.ts'

/** systemd-resolved puts itself in the first one, and whom it asks in the second. systemd-resolved.service(8) */
const RESOLVERS = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const

/** Files of their own over those of the root, which may be anybody's. */
export function nameMounts({ name }: RunSpec, directory: string, { address, nat }: NamespaceConnection): OciMount[] {
  const files = [
    { path: '/etc/hosts', text: `127.0.0.1\tlocalhost\n${address}\t${name}\n` },
    ...(nat ? [{ path: '/etc/resolv.conf', text: resolvers(RESOLVERS.map(read)) }] : []),
  ]
  return files
    .filter(({ text }) => text !== '')
    .map(({ path, text }) => {
      const own = join(directory, path.replaceAll('/', '-').slice(1))
      writeFileSync(own, text, { mode: 0o644 })
      return readOnlyFile(own, path)
    })
}

/** Of the first file that names servers which can be asked from another network namespace, by IPv4. resolv.conf(5) */
export function resolvers(files: readonly string[]): string {
  for (const text of files) {
    const servers = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map(([, server]) => server!)
    const reachable = servers.filter((server) => !server.startsWith('127.'))
    const search = /^(?:search|domain)\s.+$/m.exec(text)?.[0]
    if (reachable.length > 0) {
      return [...(search ? [search] : []), ...reachable.map((server) => `nameserver ${server}`), ''].join('\n')
    }
  }
  return ''
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
