/** What a figure must carry to mean anything elsewhere: the host, its KVM, its runtimes. Asked and measured anew. */
import { cpus, release, totalmem } from 'node:os'
import type { Check } from '../doctor/check.ts'
import { containerChecks } from '../doctor/containers.ts'
import { examine } from '../doctor/doctor.ts'
import { kvmChecks } from '../doctor/kvm.ts'
import { VERSION } from '../version.ts'

export interface HostFacts {
  readonly rows: readonly { readonly name: string; readonly value: string }[]
}

const WANTED = ['kvm-backend', 'kernel-mode-speed', 'container-runtime', 'cgroups']

export async function hostFacts(): Promise<HostFacts> {
  const checks: readonly Check[] = [...kvmChecks, ...containerChecks].filter(({ id }) => WANTED.includes(id))
  const findings = await examine(checks)
  return {
    rows: [
      { name: 'Processor', value: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}` },
      { name: 'Memory', value: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` },
      { name: 'Host kernel', value: release() },
      ...findings.map(({ title, detail }) => ({ name: title, value: detail })),
      { name: 'Versions', value: `Cloister ${VERSION}, Node.js ${process.versions.node}` },
    ],
  }
}
