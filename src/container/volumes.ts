/** `-v` for a container: bind mounts. The mount points are made in its writable layer, so that the root below stays as it is. */
import { realpathSync } from 'node:fs'
import { type Mount, readMounts } from '../host/mounts.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { checkVolumeSource } from '../instance/volume-source.ts'
import type { OciMount } from './mounts.ts'

/** A mount that forbids these keeps them: an ordinary user could not take them away, and nobody should. mount_namespaces(7) */
const KEPT = ['noexec', 'ro'] as const

/** In the order of their targets, outer ones first. @throws UsageError */
export const volumeMounts = ({ volumes = [] }: Pick<RunSpec, 'volumes'>): OciMount[] => {
  const mounts = volumes.length > 0 ? readMounts('self') : []
  return volumes.map((volume) => {
    const { source, target, readOnly } = volume
    checkVolumeSource(volume)
    const real = realpathSync(source)
    const kept = KEPT.filter((option) => mountOf(real, mounts)?.options.includes(option))
    // What else is mounted below it is read-only only when that is said: mount_setattr(2), Linux 5.12.
    const still = !readOnly ? [] : mounts.some(({ mountPoint }) => mountPoint.startsWith(`${real}/`)) ? ['rro'] : ['ro']
    // Set-user-ID files and device nodes are without effect, as everywhere in a container of ours.
    const options = new Set(['rbind', 'rprivate', 'nosuid', 'nodev', ...still, ...kept])
    return { destination: target, type: 'bind', source, options: [...options] }
  })
}

/** The one that shows this path: the last of those at the longest mount point, which covers the others. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    const base = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`
    if (!`${path}/`.startsWith(base)) continue
    if (!found || mount.mountPoint.length >= found.mountPoint.length) found = mount
  }
  return found
}
