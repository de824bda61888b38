/** A running container for `inspect`: what stands between it and the host, and what it is made of. */
import { readFileSync } from 'node:fs'
import { capabilityNames } from '../host/capabilities.ts'
import type { Cgroup } from '../host/cgroup.ts'
import type { CgroupLayout } from '../host/cgroup-layout.ts'
import { readMounts } from '../host/mounts.ts'
import { ownNamespaces } from '../host/namespaces.ts'
import { readStatus } from '../host/process-status.ts'
import type { InstanceDescription } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { MASKED_PATHS, READ_ONLY_PATHS } from './mounts.ts'
import type { OciRuntime } from './runtime.ts'
import { notesFile, runtimeNotes } from './runtime-notes.ts'
import { reachableSyscalls, seccompProfile } from './seccomp.ts'
import { securityOfContainer } from './security.ts'

export interface ContainerFacts {
  readonly spec: RunSpec
  readonly cgroup: Cgroup
  readonly layout: CgroupLayout
  /** Its pid here, while it runs. */
  readonly program: number | undefined
  readonly runtime: OciRuntime | undefined
  /** What it is attached to, as facts. */
  readonly network?: Readonly<Record<string, unknown>>
}

export function describeContainer({
  spec,
  cgroup,
  layout,
  program,
  runtime,
  network,
}: ContainerFacts): InstanceDescription {
  const profile = seccompProfile()
  const details = {
    ...(runtime && {
      runtime: {
        name: runtime.name,
        path: runtime.path,
        version: runtimeNotes(notesFile()).versionOf(runtime) ?? null,
      },
    }),
    ...(network && { network }),
    controlGroups: { layout: layout.kind, path: cgroup.path, directories: cgroup.directories() },
    limits: cgroup.limits(),
    asked: { memoryBytes: spec.memoryBytes, cpus: spec.cpus },
    ...(program !== undefined && { program: programDetails(program) }),
    seccomp: {
      otherwise: profile.defaultAction,
      allowed: reachableSyscalls(profile),
      allowedOnConditions: new Set(profile.syscalls.filter(({ args }) => args).flatMap(({ names }) => names)).size,
    },
    maskedPaths: MASKED_PATHS,
    readOnlyPaths: READ_ONLY_PATHS,
  }
  return { security: program === undefined ? [] : securityOfContainer(program, cgroup, spec.volumes), details }
}

function programDetails(pid: number): Record<string, unknown> {
  const status = readStatus(pid)
  return {
    pid,
    uidMap: lines(`/proc/${pid}/uid_map`),
    ownNamespaces: ownNamespaces(pid),
    capabilities: capabilityNames(status?.effectiveCapabilities ?? 0n),
    boundingCapabilities: capabilityNames(status?.boundingCapabilities ?? 0n),
    noNewPrivileges: status?.noNewPrivileges ?? null,
    seccompMode: status?.seccomp ?? null,
    mounts: readMounts(pid).map(({ mountPoint, type, options }) => `${mountPoint} ${type} ${options.join(',')}`),
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'latin1')
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/\s+/g, ' '))
  } catch {
    return []
  }
}
