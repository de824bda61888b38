/**
 * Where this host keeps its control groups. Three layouts exist: v1 (one hierarchy per controller), hybrid (v1 plus
 * a v2 tree without controllers) and v2 (one tree). cgroups(7), cgroup-v2.rst
 */
import { readFileSync } from 'node:fs'

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

/** Where a controller is: its own v1 hierarchy, or else the v2 tree. */
export const controllerMount = ({ mounts }: CgroupLayout, name: string): CgroupMount | undefined =>
  mounts.find(({ controllers }) => controllers.includes(name)) ?? mounts.find(({ version }) => version === 2)

/** Blanks and backslashes in a path of mountinfo. proc_pid_mountinfo(5) */
export const unescapeOctal = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}
