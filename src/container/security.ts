/**
 * What stands between a running container and the host. Every line is read from the kernel as it holds the program
 * now, not from what was asked for.
 */
import { readFileSync } from 'node:fs'
import { type CapabilityName, capabilityNames } from '../host/capabilities.ts'
import type { Cgroup } from '../host/cgroup.ts'
import { type Mount, readMounts } from '../host/mounts.ts'
import { ownNamespaces } from '../host/namespaces.ts'
import { hardLimit, type ProcessStatus, readStatus } from '../host/process-status.ts'
import type { SecurityFinding } from '../instance/instance.ts'
import type { VolumeSpec } from '../instance/run-spec.ts'
import { PIDS_LIMIT } from './bundle.ts'
import { inMib } from './ending.ts'
import { MASKED_PATHS, READ_ONLY_PATHS } from './mounts.ts'
import { reachableSyscalls, seccompProfile } from './seccomp.ts'

/** What gives root of a user namespace, let alone of the host, a way around the walls. capabilities(7) */
const DANGEROUS: readonly CapabilityName[] = [
  'CAP_SYS_ADMIN',
  'CAP_SYS_MODULE',
  'CAP_SYS_PTRACE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_BOOT',
  'CAP_NET_ADMIN',
  'CAP_BPF',
  'CAP_PERFMON',
  'CAP_DAC_READ_SEARCH',
  'CAP_MKNOD',
  'CAP_SYSLOG',
]

type Line = Omit<SecurityFinding, 'topic'>

/** @param program its pid here @param volumes asked for. @returns nothing when it has just ended */
export function securityOfContainer(
  program: number,
  cgroup: Cgroup,
  volumes: readonly VolumeSpec[] = [],
): SecurityFinding[] {
  const status = readStatus(program)
  if (!status || status.state === 'Z') return []
  const mounts = readMounts(program)
  const own = ownNamespaces(program)
  const rows: readonly (readonly [string, Line])[] = [
    ['boundary', boundary(own, program)],
    ['kernel', { state: 'off', detail: "the host's own answers every system call: a bug in it is a way out" }],
    ['privileges', privileges(status)],
    ['system calls', systemCalls(status)],
    ['files', files(mounts, volumes)],
    ['devices', devices(status)],
    ['processes', processes(own, program, cgroup)],
    ['network', network(own.includes('net'), program)],
    ['memory', memory(cgroup)],
    ['processor', processor(cgroup)],
  ]
  return rows.map(([topic, line]) => ({ topic, ...line }))
}

/** With what is not one of these there is a gap. */
const NEEDED = ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const

function boundary(own: readonly string[], program: number): Line {
  const missing = NEEDED.filter((kind) => !own.includes(kind))
  const list = `namespaces of its own: ${own.join(', ') || 'none'}`
  if (missing.length > 0) return { state: 'partial', detail: `${list}; shared with the host: ${missing.join(', ')}` }
  const root = rootUid(program)
  return root === 0
    ? { state: 'partial', detail: `${list}; no user namespace: root inside is root of the host, less what follows` }
    : { state: 'on', detail: `${list}; root inside is user ${root} of the host` }
}

/** The user of ours that is root in the namespace of that process: `INSIDE OUTSIDE COUNT` a line. user_namespaces(7) */
export function rootUid(program: number): number {
  const rows = readFileSync(`/proc/${program}/uid_map`, 'latin1').trim().split('\n')
  const row = rows.map((line) => line.trim().split(/\s+/).map(Number)).find(([inside]) => inside === 0)
  return row?.[1] ?? 0
}

function privileges({ effectiveCapabilities, boundingCapabilities, noNewPrivileges }: ProcessStatus): Line {
  const held = capabilityNames(effectiveCapabilities | boundingCapabilities)
  const grave = held.filter((name) => DANGEROUS.includes(name))
  const words = `${held.length} capabilities${grave.length > 0 ? `, ${grave.join(', ')} among them` : ''}`
  if (!noNewPrivileges) return { state: 'partial', detail: `${words}; set-user-ID programs give more` }
  return { state: grave.length > 0 ? 'partial' : 'on', detail: `${words}; no program gives it more` }
}

function systemCalls({ seccomp, seccompFilters }: ProcessStatus): Line {
  if (seccomp !== SECCOMP_MODE_FILTER) return { state: 'off', detail: "all of the host's can be called: no filter" }
  const filters = seccompFilters > 1 ? `, by ${seccompFilters} filters` : ''
  return { state: 'on', detail: `${reachableSyscalls(seccompProfile())} of the host's can be called${filters}` }
}

const SECCOMP_MODE_FILTER = 2

function files(mounts: readonly Mount[], volumes: readonly VolumeSpec[]): Line {
  const covered = (path: string) => mounts.some(({ mountPoint }) => mountPoint === path)
  const readOnly = (path: string) => mounts.some((mount) => mount.mountPoint === path && mount.options.includes('ro'))
  const root = mounts.find(({ mountPoint }) => mountPoint === '/')
  const masked = MASKED_PATHS.filter(covered).length
  const fixed = READ_ONLY_PATHS.filter(readOnly).length + (readOnly('/sys') ? 1 : 0)
  const hidden = `${masked} files of /proc and /sys hidden, ${fixed} trees read-only`
  if (root?.type !== 'overlay') return { state: 'partial', detail: `its root is ${root?.type ?? 'unknown'}; ${hidden}` }
  const own = `a root of its own, what it writes stays in memory; ${hidden}`
  const shared = volumes.filter(({ target }) => covered(target))
  if (shared.length === 0) return { state: 'on', detail: own }
  const places = shared.map(({ source, target }) => `${source}${readOnly(target) ? ' (read-only)' : ''}`)
  return { state: 'partial', detail: `${own}; of the host's it has ${places.join(', ')}` }
}

function devices({ boundingCapabilities }: ProcessStatus): Line {
  if (capabilityNames(boundingCapabilities).includes('CAP_MKNOD')) {
    return { state: 'partial', detail: 'it can make device files; its control group must refuse them' }
  }
  return { state: 'on', detail: 'null, zero, full, random, urandom, tty; it cannot make others' }
}

function processes(own: readonly string[], program: number, cgroup: Cgroup): Line {
  const { tasks } = cgroup.limits()
  const seen = own.includes('pid') ? 'it sees its own only' : "it sees all of the host's"
  const state = own.includes('pid') ? 'on' : 'off'
  if (tasks !== undefined) return { state, detail: `${seen}; at most ${tasks}` }
  // In a user namespace the kernel counts for a resource limit what runs in it alone.
  const most = own.includes('user')
    ? hardLimit(readFileSync(`/proc/${program}/limits`, 'latin1'), 'Max processes')
    : undefined
  const known = most !== undefined && most <= PIDS_LIMIT
  const limit = known ? `at most ${most} of each user inside, a resource limit` : 'a fork bomb reaches the host'
  return { state: own.includes('pid') ? 'partial' : 'off', detail: `${seen}; ${limit}` }
}

function network(own: boolean, program: number): Line {
  if (!own) return { state: 'off', detail: "the host's" }
  // proc_pid_net(5): two lines of headings, then one an interface.
  const lines = readFileSync(`/proc/${program}/net/dev`, 'latin1').trim().split('\n').slice(2)
  const names = lines.map((line) => line.split(':', 1)[0]?.trim() ?? '')
  return { state: names.every((name) => name === 'lo') ? 'on' : 'partial', detail: `its own: ${names.join(', ')}` }
}

function memory(cgroup: Cgroup): Line {
  const { memoryBytes } = cgroup.limits()
  if (memoryBytes === undefined) return { state: 'off', detail: "no limit: it can take all of the host's" }
  return { state: 'on', detail: `at most ${inMib(memoryBytes)}, enforced by its control group` }
}

function processor(cgroup: Cgroup): Line {
  const { cpus } = cgroup.limits()
  if (cpus === undefined) return { state: 'off', detail: 'no limit: it can keep all processors busy' }
  return { state: 'on', detail: `at most ${cpus} of them, enforced by its control group` }
}
