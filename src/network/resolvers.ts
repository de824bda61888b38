/** Whom an instance on a network with a way out asks for names: those whom the host asks. */
import { readFileSync } from 'node:fs'

/** systemd-resolved puts itself in the first one, and whom it asks in the second. systemd-resolved.service(8) */
const FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const

/** Text of an /etc/resolv.conf; empty where the host knows nobody. */
export const hostResolvers = (): string => resolvers(FILES.map(read))

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

/** Text of an /etc/hosts. */
export const hostsFile = (name: string, address: string): string => `127.0.0.1\tlocalhost\n${address}\t${name}\n`

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
