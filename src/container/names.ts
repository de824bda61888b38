/** What a container is told of names: its own, and on a network those of others, or whom to ask when there is a way out. */
import { lstatSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunSpec, Source } from '../instance/run-spec.ts'
import type { NamespaceConnection } from '../network/connect.ts'
import { hostResolvers, hostsFile } from '../network/resolvers.ts'
import { type OciMount, readOnlyFile } from './mounts.ts'

/** Files of their own over those of the root, which may be anybody's. */
export function nameMounts({ name, source }: RunSpec, directory: string, connection?: NamespaceConnection): OciMount[] {
  const files = [
    ...(hasRoomForName(source) ? [{ path: '/etc/hostname', text: `${name}\n` }] : []),
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

/** A root where something else is in its place goes without: its programs run all the same. */
function hasRoomForName(source: Source): boolean {
  if (source.kind !== 'rootfs') return true
  const etc = lstatSync(join(source.directory, 'etc'), { throwIfNoEntry: false })
  if (!etc?.isDirectory()) return etc === undefined || etc.isSymbolicLink()
  return lstatSync(join(source.directory, 'etc/hostname'), { throwIfNoEntry: false })?.isDirectory() !== true
}
