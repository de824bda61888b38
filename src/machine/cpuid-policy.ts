/**
 * What a VM's processors say they are: one explicit object, so that it can be shown, recorded and restored.
 * api.rst KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2. A software KVM may run the guest's CPUID natively and ignore it.
 */
import type { CpuidEntry } from '../../kvm-bindings/structs/cpuid.ts'

export interface CpuidPolicy {
  readonly entries: readonly CpuidEntry[]
}

const FEATURE_LEAF = 0x1
const TOPOLOGY_LEAVES = [0xb, 0x1f]
const FEATURE_HYPERVISOR = 1 << 31
const FEATURE_TSC_DEADLINE = 1 << 24

/** All that KVM supports, with the identity of the given processor filled in. */
export function hostCpuidPolicy(
  supported: readonly CpuidEntry[],
  options: { tscDeadline: boolean; cpus: number },
): CpuidPolicy {
  return {
    entries: supported.map((entry) => {
      if (entry.function !== FEATURE_LEAF) return entry
      const deadline = options.tscDeadline ? FEATURE_TSC_DEADLINE : 0
      // EBX[23:16]: logical processors.
      const ebx = ((entry.ebx & 0x0000_ffff) | (options.cpus << 16)) >>> 0
      return { ...entry, ebx, ecx: (entry.ecx | FEATURE_HYPERVISOR | deadline) >>> 0 }
    }),
  }
}

/** The same processor model as seen by one vCPU: its APIC id goes into the leaves that carry it. */
export function cpuidOf({ entries }: CpuidPolicy, apicId: number): CpuidEntry[] {
  return entries.map((entry) => {
    if (entry.function === FEATURE_LEAF) return { ...entry, ebx: ((entry.ebx & 0x00ff_ffff) | (apicId << 24)) >>> 0 }
    if (TOPOLOGY_LEAVES.includes(entry.function)) return { ...entry, edx: apicId }
    return entry
  })
}
