/**
 * The MSRs that make up a vCPU's state beside what KVM_GET_SREGS and the local APIC hold: SDM vol 4, APM vol 2
 * appendix A, Linux Documentation/virt/kvm/x86/msr.rst. In the order of restoring: the TSC before the deadline that is
 * counted in it. Asked of a KVM are those that its KVM_GET_MSR_INDEX_LIST has.
 */
const range = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)

export const IA32_TSC = 0x10
const IA32_TSC_ADJUST = 0x3b
const IA32_SPEC_CTRL = 0x48
const IA32_UMWAIT_CONTROL = 0xe1
const IA32_TSX_CTRL = 0x122
const MISC_FEATURES_ENABLES = 0x140
const IA32_SYSENTER = range(0x174, 3)
const IA32_MISC_ENABLE = 0x1a0
const IA32_MTRR_PHYS = range(0x200, 16)
const IA32_MTRR_FIX = [0x250, 0x258, 0x259, ...range(0x268, 8)]
const IA32_PAT = 0x277
const IA32_MTRR_DEF_TYPE = 0x2ff
export const IA32_TSC_DEADLINE = 0x6e0
const IA32_XSS = 0xda0
/** Of system calls: STAR, LSTAR, CSTAR, SYSCALL_MASK. */
const SYSCALL = range(0xc000_0081, 4)
const KERNEL_GS_BASE = 0xc000_0102
const TSC_AUX = 0xc000_0103
/** AMD: the bit against speculative store bypass, where KVM offers it apart from IA32_SPEC_CTRL. */
const VIRT_SPEC_CTRL = 0xc001_011f
/** Performance counters, by which Linux's watchdog counts too: what they count, how far they are, then what is on. */
const INTEL_COUNTERS = [...range(0x186, 8), ...range(0xc1, 8), ...range(0x309, 3), 0x38d, 0x38f]
const AMD_COUNTERS = [...range(0xc001_0200, 12), 0xc000_0301]
/** kvm-clock, asynchronous page faults, steal time, end of interrupt, poll control. */
const KVM_OLD_CLOCK = [0x11, 0x12]
const KVM = range(0x4b56_4d00, 8)

export const SAVED_MSRS: readonly number[] = [
  IA32_TSC,
  IA32_TSC_ADJUST,
  IA32_SPEC_CTRL,
  VIRT_SPEC_CTRL,
  IA32_UMWAIT_CONTROL,
  IA32_TSX_CTRL,
  MISC_FEATURES_ENABLES,
  ...IA32_SYSENTER,
  IA32_MISC_ENABLE,
  ...IA32_MTRR_PHYS,
  ...IA32_MTRR_FIX,
  IA32_MTRR_DEF_TYPE,
  IA32_PAT,
  IA32_XSS,
  ...SYSCALL,
  KERNEL_GS_BASE,
  TSC_AUX,
  IA32_TSC_DEADLINE,
  ...INTEL_COUNTERS,
  ...AMD_COUNTERS,
  ...KVM_OLD_CLOCK,
  ...KVM,
]
