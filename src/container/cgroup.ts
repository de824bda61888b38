/**
 * Control groups: where this host keeps them, and what they know about one container.
 * Three layouts exist: v1 (one hierarchy per controller), hybrid (v1 plus an empty v2 tree) and v2 (one tree).
 * The OCI runtime makes the groups and sets the limits; we read, empty and remove them. cgroups(7), cgroup-v2.rst.
 */
import { existsSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

export interface CgroupMount {
  readonly version: 1 | 2
  readonly mountPoint: string
  /** Empty on v2, where the files in the tree say which are on. */
  readonly controllers: readonly string[]
}

export interface CgroupLayout {
  readonly kind: 'v1' | 'hybrid' | 'v2' | 'none'
  readonly mounts: readonly CgroupMount[]
}

/** Options of a cgroup v1 mount that name no controller. cgroups(7), kernel/cgroup/cgroup-v1.c */
const PLAIN_OPTION =
  /^(rw|ro|xattr|noprefix|clone_children|cpuset_v2_mode|favordynmods|nofavordynmods|none|all|release_agent=.*)$/

/** @param mountinfo content of /proc/self/mountinfo, proc_pid_mountinfo(5) */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  const mounts: CgroupMount[] = []
  const seen = new Set<string>()
  for (const line of mountinfo.split('\n')) {
    // Optional fields of any number lie between the sixth field and the lone dash.
    const [before, after] = split(line, ' - ')
    const mountPoint = before.split(' ')[4]
    const [type, , options = ''] = after.split(' ')
    if (mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue
    const controllers = type === 'cgroup' ? options.split(',').filter((option) => !PLAIN_OPTION.test(option)) : []
    // The same hierarchy may be mounted twice; the first mount is the one that the runtimes take.
    const hierarchy = `${type}:${controllers.join(',')}`
    if (seen.has(hierarchy)) continue
    seen.add(hierarchy)
    mounts.push({ version: type === 'cgroup' ? 1 : 2, mountPoint: unescapeOctal(mountPoint), controllers })
  }
  return mounts
}

export function cgroupLayout(mounts: readonly CgroupMount[]): CgroupLayout {
  const v1 = mounts.some(({ version }) => version === 1)
  const v2 = mounts.some(({ version }) => version === 2)
  return { kind: v1 && v2 ? 'hybrid' : v1 ? 'v1' : v2 ? 'v2' : 'none', mounts }
}

export const readCgroupLayout = (): CgroupLayout =>
  cgroupLayout(parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')))

/** The groups of one container, by a path that is the same below each mount point. */
export interface ContainerCgroup {
  /** For `linux.cgroupsPath` of the bundle: where the container's processes are. */
  readonly path: string
  /** Directories that exist for this container now, innermost first. */
  directories(): string[]
  /** Host pids in it. */
  processes(): number[]
  /** Bytes charged to it now; undefined when the host does not count them. */
  memoryUse(): number | undefined
  /** How many of its processes were killed for lack of memory. */
  outOfMemoryKills(): number
  /** Removes the empty groups; gives those that something still holds. */
  remove(): string[]
}

/** @param key unique on the host among instances of every state root */
export function containerCgroup({ kind, mounts }: CgroupLayout, key: string): ContainerCgroup {
  const base = `/cloister-${key}`
  // On v2 the events of a group are counted in its parents too, so a parent keeps them when a runtime removes its own.
  const path = kind === 'v2' ? `${base}/program` : base
  const levels = kind === 'v2' ? [path, base] : [base]
  const controller = (name: string) => mounts.find(({ controllers }) => controllers.includes(name)) ?? unified
  const unified = mounts.find(({ version }) => version === 2)
  const memory = controller('memory')
  const counted = controller('pids')
  const read = (mount: CgroupMount | undefined, level: string, file: string) =>
    mount ? readFile(join(mount.mountPoint, level, file)) : undefined

  const directories = () =>
    levels.flatMap((level) =>
      mounts.map(({ mountPoint }) => join(mountPoint, level)).filter((path) => existsSync(path)),
    )
  return {
    path,
    directories,
    processes: () => (read(counted, path, 'cgroup.procs') ?? '').split('\n').filter(Boolean).map(Number),
    memoryUse() {
      const text = read(memory, path, memory?.version === 1 ? 'memory.usage_in_bytes' : 'memory.current')
      return text === undefined ? undefined : Number(text)
    },
    outOfMemoryKills: () =>
      memory?.version === 1
        ? parseFlatKeyed(read(memory, path, 'memory.oom_control'), 'oom_kill')
        : parseFlatKeyed(read(memory, base, 'memory.events'), 'oom_kill'),
    remove: () => directories().filter((directory) => !removeDirectory(directory)),
  }
}

/** One value of a "flat keyed" file; 0 when it is not there. cgroup-v2.rst, Format */
export function parseFlatKeyed(text: string | undefined, key: string): number {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`${key} `))
  const value = Number(line?.slice(key.length + 1))
  return Number.isSafeInteger(value) ? value : 0
}

const unescapeOctal = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

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
