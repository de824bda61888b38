/**
 * What stands between a guest and the host, and between its VMM, this process, and the host: a guest that breaks out
 * of the machine is this process. Read from the kernel now, not from what was asked for.
 */
import { existsSync } from 'node:fs'
import { capabilityNames } from '../host/capabilities.ts'
import { ownNamespaces } from '../host/namespaces.ts'
import { readStatus } from '../host/process-status.ts'
import type { SecurityFinding } from '../instance/instance.ts'
import type { DiskSpec, NetworkSpec, VolumeSpec } from '../instance/run-spec.ts'
import { MIB } from '../memory/memory-map.ts'
import type { VmmCgroup } from './vmm-cgroup.ts'

const BACKENDS = { kvm_intel: 'Intel VMX', kvm_amd: 'AMD SVM', kvm_pvm: 'in software' } as const

export interface GuestFacts {
  readonly memoryBytes: number
  readonly cpus: number
  readonly network?: NetworkSpec | undefined
  readonly disks?: readonly DiskSpec[] | undefined
  readonly volumes?: readonly VolumeSpec[] | undefined
  /** What its file tree is made of. */
  readonly files?: string
  /** It has sockets to programs of the host. */
  readonly vsock?: boolean
  /** Of the user's own; undefined when it is ours. */
  readonly kernel?: string | undefined
  readonly group: VmmCgroup | undefined
}

export function securityOfVm(facts: GuestFacts): SecurityFinding[] {
  const { memoryBytes, cpus, network, disks = [], volumes = [], files = COPY, vsock = false, kernel, group } = facts
  const limits = group?.joined?.cgroup.limits()
  const refused = group?.joined?.refused ?? []
  const coming = group !== undefined && group.joined === undefined
  const none = coming ? 'a foreground command gets one after its first second' : 'it has joined no control group'
  const without = refused.length > 0 ? `refused: ${refused.join('; ')}` : none
  const guest = `the guest has ${memoryBytes / MIB} MiB`
  return [
    { topic: 'boundary', state: 'on', detail: `a virtual machine of its own, KVM ${backend()}` },
    { topic: 'kernel', state: 'on', detail: `${kernel ?? 'our own'}, in the machine: a bug in it ends that machine` },
    {
      topic: 'system calls',
      state: 'on',
      detail: "none of the program's reaches the host; it reaches the virtual devices",
    },
    filesFinding(disks, volumes, files),
    { topic: 'processes', state: 'on', detail: 'it sees no process of the host' },
    networkFinding(network),
    ...(vsock ? [VSOCK_FINDING] : []),
    ...vmm(),
    limits?.memoryBytes === undefined
      ? { topic: 'memory', state: 'partial', detail: `${guest}; the VMM has no limit: ${without}` }
      : { topic: 'memory', state: 'on', detail: `${guest}, it and the VMM at most ${limits.memoryBytes / MIB} MiB` },
    limits?.cpus === undefined
      ? { topic: 'processor', state: 'partial', detail: `${plural(cpus)}; the VMM has no limit: ${without}` }
      : {
          topic: 'processor',
          state: 'on',
          detail: `${plural(cpus)}; with the VMM at most ${limits.cpus} of the host's`,
        },
  ]
}

const COPY = "a copy in the guest's memory"

/** What a disk is kept in is the host's, and so is what is in a volume; their devices serve the guest nothing else of it. */
function filesFinding(disks: readonly DiskSpec[], volumes: readonly VolumeSpec[], files: string): SecurityFinding {
  const shared = [disksShared(disks), volumesShared(volumes)].filter((words) => words !== '')
  if (shared.length === 0) return { topic: 'files', state: 'on', detail: `${files}; nothing of the host's is shared` }
  return { topic: 'files', state: 'partial', detail: [files, ...shared].join('; ') }
}

function disksShared(disks: readonly DiskSpec[]): string {
  const isWritten = ({ readOnly, copyOnWrite = false }: DiskSpec) => !readOnly && !copyOnWrite
  const written = disks.filter(isWritten).map(({ path }) => path)
  const read = disks.flatMap((disk) => [...(isWritten(disk) ? [] : [disk.path]), ...(disk.base ? [disk.base] : [])])
  return doings("as its disks, of the host's, it", written, read)
}

function volumesShared(volumes: readonly VolumeSpec[]): string {
  const sources = (readOnly: boolean) => volumes.filter((one) => one.readOnly === readOnly).map(({ source }) => source)
  return doings("of the host's directories it", sources(false), sources(true))
}

function doings(who: string, written: readonly string[], read: readonly string[]): string {
  const does = (what: string, paths: readonly string[]) => (paths.length > 0 ? [`${what} ${paths.join(', ')}`] : [])
  const all = [...does('reads and writes', written), ...does('reads', read)]
  return all.length > 0 ? `${who} ${all.join('; ')}` : ''
}

const VSOCK_FINDING: SecurityFinding = {
  topic: 'host sockets',
  state: 'partial',
  detail: 'it reaches programs that listen for it as vsock.sock_PORT in its directory, and no others',
}

/** The card drops frames from any address but its own; what becomes of the others is for the host's side to say. */
function networkFinding(network: NetworkSpec | undefined): SecurityFinding {
  if (!network || network.kind === 'none') return { topic: 'network', state: 'on', detail: 'the machine has none' }
  const { kind, name } = network
  const where = kind === 'tap' ? `the tap ${name}` : `the network "${name}"`
  return { topic: 'network', state: 'partial', detail: `a card on ${where}, which sends from its own address only` }
}

const plural = (cpus: number) => `${cpus} virtual processor${cpus === 1 ? '' : 's'}`

function backend(): string {
  const found = Object.entries(BACKENDS).find(([module]) => existsSync(`/sys/module/${module}`))
  return found ? `${found[1]} (${found[0]})` : 'by an unknown module'
}

const SECCOMP_MODE_FILTER = 2

/** There is no jail yet: what the VMM is left with is what whoever broke out of the machine gets. */
function vmm(): SecurityFinding[] {
  const status = readStatus(process.pid)
  if (!status) return []
  const held = capabilityNames(status.effectiveCapabilities)
  const own = ownNamespaces(process.pid, process.ppid)
  const root = status.uid === 0
  return [
    {
      topic: 'VMM privileges',
      state: root || held.length > 0 ? 'off' : 'partial',
      detail: root
        ? `its process is root of the host with ${held.length} capabilities: run it as an ordinary user who may open /dev/kvm`
        : `its process is user ${status.uid} with ${held.length} capabilities: a break-out has what that user has`,
    },
    status.seccomp === SECCOMP_MODE_FILTER
      ? { topic: 'VMM system calls', state: 'on', detail: 'filtered' }
      : { topic: 'VMM system calls', state: 'off', detail: "not filtered: all of the host's" },
    own.length === 0
      ? { topic: 'VMM namespaces', state: 'off', detail: "the caller's: it sees its files, processes and network" }
      : {
          topic: 'VMM namespaces',
          state: 'partial',
          detail: `its own: ${own.join(', ')}; the others are the caller's`,
        },
  ]
}
