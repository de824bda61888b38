/**
 * Releasing what the host still holds for a container, after its end or after ours. The kernel has ended its
 * processes and unmounted its root by then (launch.ts); control groups and the runtime's state remain.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ContainerCgroup, containerCgroup, readCgroupLayout } from './cgroup.ts'
import { SIGKILL, send } from './signals.ts'

/** Dying processes leave their group within milliseconds, or are stuck in the kernel. */
const EMPTY_ATTEMPTS = 200
const EMPTY_INTERVAL_MS = 5

/** Everything of ours below the instance's own directory. */
export const containerDirectory = (directory: string): string => join(directory, 'container')

/** Runtimes accept letters, digits and `_ + - .` in a container id. */
export const runtimeId = (id: string): string => id.replace(/[^\w+.-]/g, '_')

/** Instances of different state roots may share a name: the directory makes the difference. FNV-1a */
export function cgroupKey(id: string, directory: string): string {
  let hash = 0x811c_9dc5
  for (const byte of Buffer.from(directory)) hash = Math.imul(hash ^ byte, 0x0100_0193) >>> 0
  return `${runtimeId(id)}-${hash.toString(16).padStart(8, '0')}`
}

/** Ends what is left in the groups and removes them. @returns directories that would not go */
export async function emptyCgroup(cgroup: ContainerCgroup): Promise<string[]> {
  let left = cgroup.remove()
  for (let attempt = 0; left.length > 0 && attempt < EMPTY_ATTEMPTS; attempt++) {
    for (const pid of cgroup.processes()) send(pid, SIGKILL)
    await delay(EMPTY_INTERVAL_MS)
    left = cgroup.remove()
  }
  return left
}

/**
 * Cleans up after a Cloister process that died with its container.
 * @param id the instance's name, @param directory its own directory
 * @returns what there was to clean, in words
 */
export async function sweepContainer(id: string, directory: string): Promise<string[]> {
  const done: string[] = []
  const cgroup = containerCgroup(readCgroupLayout(), cgroupKey(id, directory))
  const processes = cgroup.processes()
  if (processes.length > 0) done.push(`ended ${processes.length} left-over processes of container "${id}"`)
  const groups = cgroup.directories()
  if (groups.length > 0) {
    const left = await emptyCgroup(cgroup)
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
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mountPoint) => mountPoint.startsWith(`${directory}/`))
    .reverse()
}
