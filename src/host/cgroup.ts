/**
 * The control group of one instance: what it uses, what it was refused, freezing, and how it goes away.
 * Who makes it and sets its limits differs: an OCI runtime for containers, cgroup-limits.ts for a VMM.
 * cgroups(7), cgroup-v1/*.rst, cgroup-v2.rst
 */
import { existsSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HostError } from '../errors.ts'
import { type Freezer, freezerOf } from './cgroup-freezer.ts'
import { type CgroupLayout, type CgroupMount, controllerMount } from './cgroup-layout.ts'
import { setMemoryLimit } from './cgroup-memory-limit.ts'
import { SIGKILL, send } from './signals.ts'

/** Dying processes leave their group within milliseconds, or are stuck in the kernel. */
const EMPTY_ATTEMPTS = 200
const EMPTY_INTERVAL_MS = 5

/** The groups of one instance, by a path that is the same below each mount point. */
export interface Cgroup {
  /** Where its processes are. */
  readonly path: string
  /** Directories that exist for it now, innermost first. */
  directories(): string[]
  /** Host pids in it. */
  processes(): number[]
  /** Processor time of all that ever ran in it; undefined when the host does not count it, as below. */
  cpuTimeNs(): number | undefined
  /** Bytes charged to it, less the file cache that the kernel would give up first. */
  memoryUse(): number | undefined
  /** What the kernel enforces now; undefined without a limit. */
  limits(): CgroupLimits
  /** @throws UsageError when its processes need more, HostError where the host does not let us, or has no such limit. */
  setMemoryLimit(bytes: number): void
  /** How many of its processes were killed for lack of memory. */
  outOfMemoryKills(): number
  readonly freezer: Freezer
  /** Removes the empty groups; gives those that something still holds. */
  remove(): string[]
  /** Ends what is left in it, frozen or not, and removes it. @returns directories that would not go */
  empty(): Promise<string[]>
}

export interface CgroupLimits {
  readonly memoryBytes?: number
  readonly cpus?: number
  readonly tasks?: number
}

export interface CgroupPlace {
  /** Unique on the host among instances of every state root: instanceKey(). */
  readonly key: string
  /** On v2 a group below, where the processes are: the events of a group are counted in its parents too, so the one
   * above keeps them when an OCI runtime removes its own. */
  readonly leaf?: string
  /** Of v2: the group that was delegated to us; the root without one. */
  readonly parent?: string
}

export function instanceCgroup(layout: CgroupLayout, { key, leaf, parent = '' }: CgroupPlace): Cgroup {
  const { kind, mounts } = layout
  const base = join(kind === 'v2' ? parent : '', `/cloister-${key}`)
  const path = kind === 'v2' && leaf ? `${base}/${leaf}` : base
  const levels = path === base ? [base] : [path, base]
  const mountOf = (controller: string) => controllerMount(layout, controller)
  const read = (mount: CgroupMount | undefined, level: string, file: string) =>
    mount && readFile(join(mount.mountPoint, level, file))
  /** The file of this controller, by its name in v1 and in v2. */
  const value = (controller: string, v1: string, v2: string) => {
    const mount = mountOf(controller)
    return read(mount, path, mount?.version === 1 ? v1 : v2)
  }
  const freezer = freezerOf(mountOf('freezer'), path)

  const directories = () =>
    levels.flatMap((level) =>
      mounts.map(({ mountPoint }) => join(mountPoint, level)).filter((path) => existsSync(path)),
    )
  const limits = () => ({
    ...limit('memoryBytes', bytes(value('memory', 'memory.limit_in_bytes', 'memory.max'))),
    ...limit('cpus', processors(value('cpu', 'cpu.cfs_quota_us', 'cpu.max'), value('cpu', 'cpu.cfs_period_us', ''))),
    ...limit('tasks', bytes(value('pids', 'pids.max', 'pids.max'))),
  })
  const remove = () => directories().filter((directory) => !removeDirectory(directory))
  // 0 is one of a pid namespace that we do not see, and for kill(2) the caller's own process group. cgroup-v2.rst
  const processes = () =>
    (read(mountOf('pids'), path, 'cgroup.procs') ?? '')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0)
  return {
    path,
    directories,
    processes,
    cpuTimeNs() {
      const text = value('cpuacct', 'cpuacct.usage', 'cpu.stat')
      if (text === undefined) return undefined
      return mountOf('cpuacct')?.version === 1 ? Number(text) : parseFlatKeyed(text, 'usage_usec') * 1000
    },
    memoryUse() {
      const charged = value('memory', 'memory.usage_in_bytes', 'memory.current')
      if (charged === undefined) return undefined
      const statistics = value('memory', 'memory.stat', 'memory.stat')
      const v1 = mountOf('memory')?.version === 1
      const cache = parseFlatKeyed(statistics, v1 ? 'total_inactive_file' : 'inactive_file')
      return Math.max(0, Number(charged) - cache)
    },
    limits,
    setMemoryLimit(wanted) {
      const mount = mountOf('memory')
      if (!mount) throw new HostError('Cannot set the memory limit: this host has no memory controller.')
      setMemoryLimit(mount, path, wanted, limits().memoryBytes)
    },
    outOfMemoryKills() {
      const mount = mountOf('memory')
      const text = mount?.version === 1 ? read(mount, path, 'memory.oom_control') : read(mount, base, 'memory.events')
      return parseFlatKeyed(text, 'oom_kill')
    },
    freezer,
    remove,
    async empty() {
      let left = remove()
      for (let attempt = 0; left.length > 0 && attempt < EMPTY_ATTEMPTS; attempt++) {
        for (const pid of processes()) send(pid, SIGKILL)
        // In v1 a frozen process does not even die.
        freezer.thaw()
        await delay(EMPTY_INTERVAL_MS)
        left = remove()
      }
      return left
    },
  }
}

/** Instances of different state roots may share a name: the directory makes the difference. FNV-1a */
export function instanceKey(name: string, directory: string): string {
  let hash = 0x811c_9dc5
  for (const byte of Buffer.from(directory)) hash = Math.imul(hash ^ byte, 0x0100_0193) >>> 0
  return `${name.replace(/[^\w+.-]/g, '_')}-${hash.toString(16).padStart(8, '0')}`
}

/** One value of a "flat keyed" file; 0 when it is not there. cgroup-v2.rst, Format */
export function parseFlatKeyed(text: string | undefined, key: string): number {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`${key} `))
  const value = Number(line?.slice(key.length + 1))
  return Number.isSafeInteger(value) ? value : 0
}

/** v1 says "no limit" with the greatest number of pages that fits, v2 and the pids controller with "max". */
const NO_LIMIT_FROM = 2 ** 60

function bytes(text: string | undefined): number | undefined {
  const value = Number(text?.trim() || Number.NaN)
  return value < NO_LIMIT_FROM ? value : undefined
}

/** v1: a file each, quota -1 without a limit; v2: "QUOTA PERIOD", the quota "max" without. sched-bwc.rst */
function processors(quota: string | undefined, period: string | undefined): number | undefined {
  const [first = '', second = period ?? ''] = (quota ?? '').trim().split(' ')
  const cpus = Number(first || Number.NaN) / Number(second.trim() || Number.NaN)
  return cpus > 0 ? cpus : undefined
}

const limit = (name: keyof CgroupLimits, value: number | undefined): CgroupLimits =>
  value === undefined ? {} : { [name]: value }

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
