/**
 * Releasing what the host still holds for a container, after its end or after ours. The kernel has ended its
 * processes and unmounted its root by then (launch.ts); control groups and the runtime's state remain.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Cgroup, instanceCgroup, instanceKey } from '../host/cgroup.ts'
import { type CgroupLayout, readCgroupLayout } from '../host/cgroup-layout.ts'
import { readMounts } from '../host/mounts.ts'

/** Everything of ours below the instance's own directory. */
export const containerDirectory = (directory: string): string => join(directory, 'container')

/** Runtimes accept letters, digits and `_ + - .` in a container id. */
export const runtimeId = (id: string): string => id.replace(/[^\w+.-]/g, '_')

/** The runtime makes it and sets its limits. @param parent of v2: the group that was delegated to this user */
export const containerCgroup = (
  id: string,
  directory: string,
  layout: CgroupLayout = readCgroupLayout(),
  parent = '',
): Cgroup => instanceCgroup(layout, { key: instanceKey(id, directory), leaf: LEAF, parent })

const LEAF = 'program'

/** Where the one of a container is that somebody else has started: its bundle says so. */
function recordedParent(directory: string): string {
  try {
    const { linux } = JSON.parse(readFileSync(join(containerDirectory(directory), 'config.json'), 'utf8'))
    const path: unknown = linux?.cgroupsPath
    return typeof path === 'string' && basename(path) === LEAF ? dirname(dirname(path)) : ''
  } catch {
    return ''
  }
}

/**
 * Cleans up after a Cloister process that died with its container.
 * @param id the instance's name, @param directory its own directory
 * @returns what there was to clean, in words
 */
export async function sweepContainer(id: string, directory: string): Promise<string[]> {
  const done: string[] = []
  const cgroup = containerCgroup(id, directory, readCgroupLayout(), recordedParent(directory))
  const processes = cgroup.processes()
  if (processes.length > 0) done.push(`ended ${processes.length} left-over processes of container "${id}"`)
  const groups = cgroup.directories()
  if (groups.length > 0) {
    const left = await cgroup.empty()
    done.push(
      left.length === 0
        ? `removed ${groups.length} control groups of container "${id}"`
        : `could not remove the control group ${left[0]}: it is still in use`,
    )
  }
  const own = containerDirectory(directory)
  for (const mountPoint of mountPointsBelow(own)) {
    const { status } = spawnSync('umount', ['--lazy', mountPoint])
    done.push(`${status === 0 ? 'unmounted' : 'could not unmount'} ${mountPoint}`)
  }
  if (existsSync(own) && mountPointsBelow(own).length === 0) {
    rmSync(own, { recursive: true, force: true })
    done.push(`removed the files of container "${id}"`)
  }
  return done
}

/** Innermost first. */
function mountPointsBelow(directory: string): string[] {
  return readMounts('self')
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint.startsWith(`${directory}/`))
    .reverse()
}
