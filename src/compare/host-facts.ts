/** What a figure must carry to mean anything elsewhere: the host, its KVM, its runtimes. Asked and measured anew. */
import { cpus, release, totalmem } from 'node:os'
import type { Check, CheckedFinding } from '../doctor/check.ts'
import { containerChecks } from '../doctor/containers.ts'
import { examine } from '../doctor/doctor.ts'
import { kvmChecks } from '../doctor/kvm.ts'
import { VERSION } from '../version.ts'

/** Null is what this host does not have. */
export interface HostFacts {
  readonly processor: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly kernel: string
  /** The kernel module behind /dev/kvm. */
  readonly kvmBackend: string | null
  readonly kernelModeInstructionsPerSecond: number | null
  /** Names and versions, the one that is tried first in front. */
  readonly containerRuntime: string | null
  readonly cgroups: string | null
  readonly cloister: string
  readonly node: string
  /** The same in words, for a table. */
  readonly rows: readonly { readonly name: string; readonly value: string }[]
}

const WANTED = ['kvm-backend', 'kernel-mode-speed', 'container-runtime', 'cgroups']

export async function hostFacts(): Promise<HostFacts> {
  const checks: readonly Check[] = [...kvmChecks, ...containerChecks].filter(({ id }) => WANTED.includes(id))
  return describeHost(await examine(checks))
}

export function describeHost(findings: readonly CheckedFinding[]): HostFacts {
  const finding = (id: string) => findings.find((candidate) => candidate.id === id)
  const fact = (id: string, name: string) => finding(id)?.facts?.[name]
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const speed = fact('kernel-mode-speed', 'instructionsPerSecond')
  const runtime = finding('container-runtime')
  const processor = cpus()[0]?.model.trim() ?? 'unknown'
  return {
    processor,
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    kvmBackend: text(fact('kvm-backend', 'module')),
    kernelModeInstructionsPerSecond: typeof speed === 'number' ? speed : null,
    containerRuntime: runtime?.status === 'pass' ? runtime.detail : null,
    cgroups: text(fact('cgroups', 'layout')),
    cloister: VERSION,
    node: process.versions.node,
    rows: [
      { name: 'Processor', value: `${cpus().length} x ${processor}` },
      { name: 'Memory', value: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` },
      { name: 'Host kernel', value: release() },
      ...findings.map(({ title, detail }) => ({ name: title, value: detail })),
      { name: 'Versions', value: `Cloister ${VERSION}, Node.js ${process.versions.node}` },
    ],
  }
}
