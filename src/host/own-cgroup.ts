/**
 * Puts this very process into a control group with limits, and takes it out again. cgroups(7), cgroup-v2.rst
 *
 * The first write to a cgroup.procs waits for an RCU grace period, 10 to 20 ms of sleep, and so does the way out
 * (bench/vmm-cgroup.ts): nothing for a start that someone waits for.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cgroup, type CgroupLimits, type CgroupPlace, instanceCgroup } from './cgroup.ts'
import { type CgroupLayout, type CgroupMount, controllerMount } from './cgroup-layout.ts'

const CONTROLLERS = ['memory', 'cpu', 'pids'] as const
type Controller = (typeof CONTROLLERS)[number]

/** The kernel's default period; a quota of n periods is n processors. sched-bwc.rst */
const CPU_PERIOD_US = 100_000

export interface JoinedCgroup {
  readonly cgroup: Cgroup
  /** What the host does not let us limit, and why; empty when all is set. */
  readonly refused: readonly string[]
  /** Goes back to where this process was and removes the group. */
  leave(): void
}

export function joinCgroup(layout: CgroupLayout, place: CgroupPlace, limits: Required<CgroupLimits>): JoinedCgroup {
  const cgroup = instanceCgroup(layout, place)
  const homes = ownCgroups()
  const refused: string[] = []
  const joined = new Set<CgroupMount>()
  for (const controller of CONTROLLERS) {
    const mount = controllerMount(layout, controller)
    try {
      if (!mount) throw new Error('no such controller')
      const directory = join(mount.mountPoint, cgroup.path)
      if (mount.version === 2) enable(join(mount.mountPoint, place.parent ?? '/'), controller)
      mkdirSync(directory, { recursive: true })
      setLimit(controller, mount.version, directory, limits)
      if (!joined.has(mount)) move(directory)
      joined.add(mount)
    } catch (error) {
      refused.push(`${controller}: ${reason(error as NodeJS.ErrnoException)}`)
    }
  }
  if (refused.length === CONTROLLERS.length) cgroup.remove()
  return {
    cgroup,
    refused,
    leave() {
      for (const mount of joined) {
        const key = mount.version === 2 ? '' : mount.controllers.join(',')
        try {
          move(join(mount.mountPoint, homes.get(key) ?? '/'))
        } catch {
          // Where it was is gone: the next sweep removes the group when this process has ended.
        }
      }
      cgroup.remove()
    },
  }
}

const reason = ({ code, message }: NodeJS.ErrnoException) =>
  code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'this user may not' : message

function setLimit(controller: Controller, version: 1 | 2, directory: string, limits: Required<CgroupLimits>): void {
  const write = (file: string, value: string | number) => writeFileSync(join(directory, file), String(value))
  const quota = Math.round(limits.cpus * CPU_PERIOD_US)
  if (controller === 'pids') {
    write('pids.max', limits.tasks)
  } else if (controller === 'cpu' && version === 2) {
    write('cpu.max', `${quota} ${CPU_PERIOD_US}`)
  } else if (controller === 'cpu') {
    write('cpu.cfs_period_us', CPU_PERIOD_US)
    write('cpu.cfs_quota_us', quota)
  } else if (version === 2) {
    write('memory.max', limits.memoryBytes)
    ifThere(() => write('memory.swap.max', 0))
  } else {
    write('memory.limit_in_bytes', limits.memoryBytes)
    // Memory and swap together: equal means no swap.
    ifThere(() => write('memory.memsw.limit_in_bytes', limits.memoryBytes))
  }
}

/** A kernel may be built without counting swap. */
function ifThere(attempt: () => void): void {
  try {
    attempt()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** In v2 a controller works in a group when its parent says so. */
function enable(parent: string, controller: Controller): void {
  const file = join(parent, 'cgroup.subtree_control')
  if (!readFileSync(file, 'utf8').split(/\s+/).includes(controller)) writeFileSync(file, `+${controller}`)
}

const move = (directory: string) => writeFileSync(join(directory, 'cgroup.procs'), String(process.pid))

/** Controllers of a v1 hierarchy, or nothing for v2, to this process's group in it. cgroups(7), /proc/PID/cgroup */
function ownCgroups(): Map<string, string> {
  const rows = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')
  return new Map(
    rows.map((row) => {
      const [, controllers = '', ...path] = row.split(':')
      return [controllers, path.join(':')]
    }),
  )
}
