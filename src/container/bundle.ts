/**
 * What a RunSpec means to an OCI runtime: the `config.json` of the bundle. One function per part of the document.
 * OCI runtime spec 1.0.2, config.md and config-linux.md.
 */
import type { RunSpec, UserSpec } from '../instance/run-spec.ts'
import { initArguments } from './init.ts'
import { MASKED_PATHS, type OciMount, READ_ONLY_PATHS, systemMounts } from './mounts.ts'
import { seccompProfile } from './seccomp.ts'
import type { Connection } from './streams.ts'

/** A fork bomb stops here; our init is one of them. */
export const PIDS_LIMIT = 512

/**
 * docker's default set less what serves no program here: raw sockets (without a network), device nodes (the device
 * group would refuse them), file capabilities and the audit log.
 */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
] as const

/** For `ping`. Of raw sockets the seccomp profile lets only those of IP through, not those of whole frames. packet(7) */
const NETWORK_CAPABILITIES = [...CAPABILITIES, 'CAP_NET_RAW'] as const

/** The kernel's default period; a quota of n periods is n processors. sched-bwc.rst */
const CPU_PERIOD_US = 100_000

const NAMESPACES = ['pid', 'mount', 'uts', 'ipc', 'network', 'cgroup'] as const

export interface BundleFacts {
  /** Absolute path of the root directory. */
  readonly root: string
  /** Mounts of this container beside the system ones. */
  readonly mounts: readonly OciMount[]
  readonly streams: readonly Connection[]
  /** Undefined where we may not make control groups: there are no limits then. */
  readonly cgroupsPath: string | undefined
  /** Those of the limits that can be set; all for root. */
  readonly controllers?: readonly string[]
  /** Resource limits beside the usual ones. */
  readonly rlimits: readonly Rlimit[]
  /** The hard limit of descriptors that we have ourselves: without CAP_SYS_RESOURCE nobody raises his own. */
  readonly openFilesMax: number
  /** A network namespace that is there already; without it the container gets an empty one. */
  readonly networkNamespace?: string
}

export interface Rlimit {
  readonly type: string
  readonly soft: number
  readonly hard: number
}

export const ociConfig = (spec: RunSpec, facts: BundleFacts) => ({
  ociVersion: '1.0.2',
  hostname: spec.name,
  root: { path: facts.root, readonly: false },
  process: processConfig(spec, facts),
  mounts: [...systemMounts(spec.memoryBytes), ...facts.mounts],
  linux: {
    namespaces: NAMESPACES.map((type) => ({
      type,
      ...(type === 'network' && facts.networkNamespace !== undefined && { path: facts.networkNamespace }),
    })),
    // Any group may ping, which takes no raw sockets then. ip-sysctl.rst, "ping_group_range"
    ...(facts.networkNamespace !== undefined && { sysctl: { 'net.ipv4.ping_group_range': '0 2147483647' } }),
    ...(facts.cgroupsPath !== undefined && {
      cgroupsPath: facts.cgroupsPath,
      resources: resources(spec, facts.controllers),
    }),
    seccomp: seccompProfile(),
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READ_ONLY_PATHS,
    rootfsPropagation: 'rprivate',
  },
})

const processConfig = (spec: RunSpec, { streams, openFilesMax, rlimits, networkNamespace }: BundleFacts) => ({
  terminal: false,
  user: ociUser(spec.user),
  args: initArguments(spec, streams),
  env: spec.env,
  cwd: spec.cwd,
  // Nothing inheritable: a file with inheritable capabilities would get them back (CVE-2022-24769).
  capabilities: capabilitySets(networkNamespace === undefined ? CAPABILITIES : NETWORK_CAPABILITIES),
  noNewPrivileges: true,
  rlimits: [
    { type: 'RLIMIT_NOFILE', soft: Math.min(1024, openFilesMax), hard: openFilesMax },
    { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
    ...rlimits,
  ],
})

/** In no other group than its own. Whoever is not root loses its capabilities with the execve. capabilities(7) */
export const ociUser = ({ uid, gid }: UserSpec = ROOT) => ({ uid, gid, additionalGids: [] })

const ROOT: UserSpec = { uid: 0, gid: 0 }

const capabilitySets = (held: readonly string[]) => ({ bounding: held, effective: held, permitted: held })

function resources({ memoryBytes, cpus }: RunSpec, controllers: readonly string[] | undefined) {
  const has = (name: string) => controllers?.includes(name) ?? true
  return {
    // `swap` is memory and swap together: equal to the limit means none.
    ...(has('memory') && { memory: { limit: memoryBytes, swap: memoryBytes } }),
    ...(has('cpu') && { cpu: { quota: Math.round(cpus * CPU_PERIOD_US), period: CPU_PERIOD_US } }),
    ...(has('pids') && { pids: { limit: PIDS_LIMIT } }),
    // The runtime itself allows null, zero, full, random, urandom, tty and the pseudo-terminals. To say so takes root.
    ...(controllers === undefined && { devices: [{ allow: false, access: 'rwm' }] }),
  }
}
