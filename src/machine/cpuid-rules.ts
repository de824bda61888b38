/**
 * What a VM's CPUID says otherwise than KVM offers it, one row each: the host's topology goes, ours comes, nested
 * virtualization goes. SDM vol 2 CPUID, APM vol 3 appendix E; api.rst KVM_GET_SUPPORTED_CPUID says what needs user space.
 */
import type { CpuidEntry } from '../../kvm-bindings/structs/cpuid.ts'

export type Register = 'eax' | 'ebx' | 'ecx' | 'edx'
export type CpuidRegisters = Pick<CpuidEntry, Register>

export interface RuleContext {
  readonly cpus: number
  readonly tscDeadline: boolean
  /** The leaf as it is so far. */
  readonly registers: CpuidRegisters
}

export interface CpuidRule {
  readonly leaf: number
  readonly vendor?: 'intel' | 'amd'
  readonly register: Register
  readonly high: number
  readonly low: number
  readonly what: string
  readonly why: string
  /** What the bits become; undefined leaves them alone. */
  value(context: RuleContext): number | undefined
}

/** APIC ids run from 0: as many of their low bits tell one processor from another. */
export const apicIdBits = (cpus: number) => Math.ceil(Math.log2(cpus))
/** The number of ids that so many bits make. */
const ids = (cpus: number) => 2 ** apicIdBits(cpus)

const HOST = "the host's number; this VM has its own"
const NESTED =
  'nothing here runs a VM in the VM, and nested virtualization is a large part of what a guest could attack'
const UNSAVED =
  'part of its state, the shadow stack pointer, is none of what is saved here: a restored guest would die of it'

/** Caches that this VM's processors share: the third level, all of them; the others have one each. */
const sharingCache =
  (sharers: (cpus: number) => number) =>
  ({ cpus, registers: { eax } }: RuleContext) => {
    const type = eax & 0x1f
    const level = (eax >>> 5) & 0x7
    if (type === 0) return undefined
    return level === 3 ? sharers(cpus) - 1 : 0
  }

/** A row: leaf, register, bits from high to low. */
export const CPUID_RULES: readonly CpuidRule[] = [
  {
    leaf: 0x1,
    register: 'ebx',
    high: 23,
    low: 16,
    what: 'logical processors',
    why: HOST,
    value: ({ cpus }) => ids(cpus),
  },
  {
    leaf: 0x1,
    register: 'edx',
    high: 28,
    low: 28,
    what: 'HTT',
    why: 'the number above counts from two on',
    value: ({ cpus }) => Number(cpus > 1),
  },
  {
    leaf: 0x1,
    register: 'ecx',
    high: 31,
    low: 31,
    what: 'hypervisor',
    why: 'a guest looks there before it asks for paravirtual features',
    value: () => 1,
  },
  {
    leaf: 0x1,
    register: 'ecx',
    high: 24,
    low: 24,
    what: 'TSC deadline timer',
    why: 'KVM has it with its own local APIC, and says so by a capability',
    value: ({ tscDeadline }) => Number(tscDeadline),
  },
  { leaf: 0x1, register: 'ecx', high: 5, low: 5, what: 'VMX', why: NESTED, vendor: 'intel', value: () => 0 },
  {
    leaf: 0x4,
    register: 'eax',
    high: 31,
    low: 26,
    what: 'cores in the package',
    why: HOST,
    vendor: 'intel',
    value: ({ cpus, registers: { eax } }) => ((eax & 0x1f) === 0 ? undefined : ids(cpus) - 1),
  },
  {
    leaf: 0x4,
    register: 'eax',
    high: 25,
    low: 14,
    what: 'processors at this cache',
    why: HOST,
    vendor: 'intel',
    value: sharingCache(ids),
  },
  { leaf: 0x7, register: 'ecx', high: 7, low: 7, what: 'shadow stacks', why: UNSAVED, value: () => 0 },
  {
    leaf: 0x7,
    register: 'edx',
    high: 20,
    low: 20,
    what: 'indirect branch tracking',
    why: 'its registers are those of shadow stacks, which this VM has not',
    value: () => 0,
  },
  {
    leaf: 0x8000_0001,
    register: 'ecx',
    high: 1,
    low: 1,
    what: 'CmpLegacy',
    why: 'set where there are several cores',
    vendor: 'amd',
    value: ({ cpus }) => Number(cpus > 1),
  },
  { leaf: 0x8000_0001, register: 'ecx', high: 2, low: 2, what: 'SVM', why: NESTED, vendor: 'amd', value: () => 0 },
  {
    leaf: 0x8000_0008,
    register: 'ecx',
    high: 15,
    low: 12,
    what: 'APIC id bits',
    why: HOST,
    vendor: 'amd',
    value: ({ cpus }) => apicIdBits(cpus),
  },
  {
    leaf: 0x8000_0008,
    register: 'ecx',
    high: 7,
    low: 0,
    what: 'cores',
    why: HOST,
    vendor: 'amd',
    value: ({ cpus }) => cpus - 1,
  },
  ...(['eax', 'ebx', 'edx'] as const).map((register) => ({
    leaf: 0x8000_000a,
    register,
    high: 31,
    low: 0,
    what: 'SVM features',
    why: NESTED,
    vendor: 'amd' as const,
    value: () => 0,
  })),
  {
    leaf: 0x8000_001d,
    register: 'eax',
    high: 25,
    low: 14,
    what: 'processors at this cache',
    why: HOST,
    vendor: 'amd',
    value: sharingCache((cpus) => cpus),
  },
  {
    leaf: 0x8000_001e,
    register: 'ebx',
    high: 15,
    low: 0,
    what: 'core id, threads per core',
    why: HOST,
    vendor: 'amd',
    value: () => 0,
  },
  {
    leaf: 0x8000_001e,
    register: 'ecx',
    high: 10,
    low: 0,
    what: 'node id, nodes',
    why: HOST,
    vendor: 'amd',
    value: () => 0,
  },
]

/** Extended topology, version 1 and 2: the same here, with threads and cores and nothing above. */
export const TOPOLOGY_LEAVES: readonly number[] = [0xb, 0x1f]
export const TOPOLOGY_WHY = 'leaf and subleaves are made for this VM: one thread a core, one package'

/** Subleaves 0, 1, 2 (SDM vol 2 CPUID leaf 0xb): EAX: id bits to shift out, EBX: processors, ECX[15:8]: thread, core, end. */
export const topologySubleaves = (cpus: number): readonly CpuidRegisters[] => [
  { eax: 0, ebx: 1, ecx: 0x100, edx: 0 },
  { eax: apicIdBits(cpus), ebx: cpus, ecx: 0x201, edx: 0 },
  { eax: 0, ebx: 0, ecx: 2, edx: 0 },
]

/** Where a vCPU's APIC id belongs. KVM offers that of the processor which it is asked on: another each time. */
export const APIC_ID_FIELDS = [
  { leaf: 0x1, register: 'ebx', high: 31, low: 24 },
  { leaf: 0xb, register: 'edx', high: 31, low: 0 },
  { leaf: 0x1f, register: 'edx', high: 31, low: 0 },
  { leaf: 0x8000_001e, register: 'eax', high: 31, low: 0 },
  { leaf: 0x8000_001e, register: 'ebx', high: 7, low: 0 },
] as const satisfies readonly { leaf: number; register: Register; high: number; low: number }[]
