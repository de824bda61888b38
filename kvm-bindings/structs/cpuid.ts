/** What the guest's cpuid instruction answers (api.rst KVM_SET_CPUID2, KVM_GET_SUPPORTED_CPUID). */
import { flexibleArray } from '../flexible-array.ts'
import { array, type Encodable, struct, u32 } from '../layout.ts'

/** `index` is the subleaf and counts only with KVM_CPUID_FLAG_SIGNIFCANT_INDEX in `flags`. */
export const cpuidEntry = struct(
  'kvm_cpuid_entry2',
  { size: 40 },
  { function: u32, index: u32, flags: u32, eax: u32, ebx: u32, ecx: u32, edx: u32, padding: array(u32, 3) },
)
export type CpuidEntry = Encodable<typeof cpuidEntry>

export const cpuidHeader = struct('kvm_cpuid2', { size: 8 }, { nent: u32, padding: u32 })
export const cpuid = flexibleArray(cpuidHeader, 'nent', cpuidEntry)

/** The kernel's own limit: it takes and gives no more. */
export const KVM_MAX_CPUID_ENTRIES = 256
