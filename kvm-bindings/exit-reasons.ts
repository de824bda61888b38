/** Why KVM_RUN returned: the reasons of `kvm_run.exit_reason`, named and told after api.rst §5. */

export const KVM_EXIT_UNKNOWN = 0
export const KVM_EXIT_EXCEPTION = 1
export const KVM_EXIT_IO = 2
export const KVM_EXIT_HYPERCALL = 3
export const KVM_EXIT_DEBUG = 4
export const KVM_EXIT_HLT = 5
export const KVM_EXIT_MMIO = 6
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7
export const KVM_EXIT_SHUTDOWN = 8
export const KVM_EXIT_FAIL_ENTRY = 9
export const KVM_EXIT_INTR = 10
export const KVM_EXIT_SET_TPR = 11
export const KVM_EXIT_TPR_ACCESS = 12
export const KVM_EXIT_NMI = 16
export const KVM_EXIT_INTERNAL_ERROR = 17
export const KVM_EXIT_WATCHDOG = 21
export const KVM_EXIT_SYSTEM_EVENT = 24
export const KVM_EXIT_IOAPIC_EOI = 26
export const KVM_EXIT_HYPERV = 27
export const KVM_EXIT_X86_RDMSR = 29
export const KVM_EXIT_X86_WRMSR = 30
export const KVM_EXIT_DIRTY_RING_FULL = 31
export const KVM_EXIT_AP_RESET_HOLD = 32
export const KVM_EXIT_X86_BUS_LOCK = 33
export const KVM_EXIT_XEN = 34
export const KVM_EXIT_NOTIFY = 37
export const KVM_EXIT_MEMORY_FAULT = 39

type Row = readonly [name: string, sentence: string]

/** Those an x86 VM can see; reasons of other architectures go by their number. */
const REASONS: Readonly<Record<number, Row>> = {
  [KVM_EXIT_UNKNOWN]: ['KVM_EXIT_UNKNOWN', 'The vcpu has exited due to an unknown reason.'],
  [KVM_EXIT_EXCEPTION]: ['KVM_EXIT_EXCEPTION', 'The vcpu has taken an exception that the host asked to see.'],
  [KVM_EXIT_IO]: ['KVM_EXIT_IO', 'The vcpu has executed a port I/O instruction which could not be satisfied by kvm.'],
  [KVM_EXIT_HYPERCALL]: ['KVM_EXIT_HYPERCALL', 'The vcpu has made a hypercall that is handled in user space.'],
  [KVM_EXIT_DEBUG]: ['KVM_EXIT_DEBUG', 'The vcpu has hit a breakpoint or finished a single step.'],
  [KVM_EXIT_HLT]: [
    'KVM_EXIT_HLT',
    'The vcpu has executed hlt, and no interrupt controller in the kernel waits for it.',
  ],
  [KVM_EXIT_MMIO]: [
    'KVM_EXIT_MMIO',
    'The vcpu has executed a memory-mapped I/O instruction which could not be satisfied by kvm.',
  ],
  [KVM_EXIT_IRQ_WINDOW_OPEN]: ['KVM_EXIT_IRQ_WINDOW_OPEN', 'An interrupt can be injected now.'],
  [KVM_EXIT_SHUTDOWN]: ['KVM_EXIT_SHUTDOWN', 'The vcpu has shut down: a triple fault.'],
  [KVM_EXIT_FAIL_ENTRY]: [
    'KVM_EXIT_FAIL_ENTRY',
    'The vcpu could not be run due to unknown reasons; further architecture-specific information is available.',
  ],
  [KVM_EXIT_INTR]: ['KVM_EXIT_INTR', 'An unmasked signal is pending for the thread that ran the vcpu.'],
  [KVM_EXIT_SET_TPR]: ['KVM_EXIT_SET_TPR', 'The vcpu has lowered its task priority.'],
  [KVM_EXIT_TPR_ACCESS]: ['KVM_EXIT_TPR_ACCESS', 'The vcpu has accessed its task priority register.'],
  [KVM_EXIT_NMI]: ['KVM_EXIT_NMI', 'A non-maskable interrupt of the host ended the run.'],
  [KVM_EXIT_INTERNAL_ERROR]: [
    'KVM_EXIT_INTERNAL_ERROR',
    'Kvm met a situation it cannot handle, such as an instruction that its emulator lacks.',
  ],
  [KVM_EXIT_WATCHDOG]: ['KVM_EXIT_WATCHDOG', 'The watchdog of the vcpu has expired.'],
  [KVM_EXIT_SYSTEM_EVENT]: [
    'KVM_EXIT_SYSTEM_EVENT',
    'The vcpu has triggered a system-level event using some architecture specific mechanism.',
  ],
  [KVM_EXIT_IOAPIC_EOI]: [
    'KVM_EXIT_IOAPIC_EOI',
    'The in-kernel local APIC received an EOI for a level-triggered IOAPIC interrupt.',
  ],
  [KVM_EXIT_HYPERV]: ['KVM_EXIT_HYPERV', 'The vcpu needs a task related to Hyper-V emulation done in user space.'],
  [KVM_EXIT_X86_RDMSR]: ['KVM_EXIT_X86_RDMSR', 'The vcpu reads an MSR that user space answers for.'],
  [KVM_EXIT_X86_WRMSR]: ['KVM_EXIT_X86_WRMSR', 'The vcpu writes an MSR that user space answers for.'],
  [KVM_EXIT_DIRTY_RING_FULL]: ['KVM_EXIT_DIRTY_RING_FULL', 'The ring of dirty pages must be harvested first.'],
  [KVM_EXIT_AP_RESET_HOLD]: ['KVM_EXIT_AP_RESET_HOLD', 'The vcpu waits in an AP reset hold.'],
  [KVM_EXIT_X86_BUS_LOCK]: ['KVM_EXIT_X86_BUS_LOCK', 'The vcpu has taken a bus lock.'],
  [KVM_EXIT_XEN]: ['KVM_EXIT_XEN', 'The vcpu needs a task related to Xen emulation done in user space.'],
  [KVM_EXIT_NOTIFY]: ['KVM_EXIT_NOTIFY', 'No event window occurred in the guest for the time that was set.'],
  [KVM_EXIT_MEMORY_FAULT]: ['KVM_EXIT_MEMORY_FAULT', 'The vcpu met a memory fault that could not be resolved by kvm.'],
}

/** `KVM_EXIT_IO`; `KVM_EXIT_<number>` for a reason that x86 does not have or that is newer than this list. */
export const exitReasonName = (reason: number): string => REASONS[reason]?.[0] ?? `KVM_EXIT_${reason}`

/** One sentence for people who watch exits go by. */
export const exitReasonSentence = (reason: number): string =>
  REASONS[reason]?.[1] ?? 'A reason that this version does not know; see api.rst, "The kvm_run structure".'
