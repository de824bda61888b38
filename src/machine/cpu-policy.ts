/**
 * What a VM's processors are: CPUID, XCR0 and MSRs as one plain JSON object. A vCPU is programmed from it and from nothing
 * else (vcpu-setup.ts), so it can be shown, recorded, and put to work again on another day (cpu-policy-record.ts).
 * A software KVM may run a program's `cpuid` natively, whatever stands here.
 */
import type { CpuidEntry } from '../../kvm-bindings/structs/cpuid.ts'
import {
  APIC_ID_FIELDS,
  CPUID_RULES,
  type CpuidRule,
  type Register,
  TOPOLOGY_LEAVES,
  TOPOLOGY_WHY,
  topologySubleaves,
} from './cpuid-rules.ts'

export const CPU_POLICY_SCHEMA = 'cloister-cpu-policy/1'

/** As the manuals write it, and exact at 64 bits. */
export type Hex = `0x${string}`

export interface CpuidLeaf {
  readonly leaf: Hex
  /** Of a leaf that has several. */
  readonly subleaf?: number
  readonly eax: Hex
  readonly ebx: Hex
  readonly ecx: Hex
  readonly edx: Hex
}

/** Bits of a leaf that hold the APIC id of the vCPU that reads it: zero above. */
export interface ApicIdField {
  readonly leaf: Hex
  readonly register: Register
  readonly high: number
  readonly low: number
}

export interface MsrSetting {
  readonly name: string
  readonly index: Hex
  readonly value: Hex
  readonly why: string
}

/** Where the CPUID differs from what KVM offered. */
export interface PolicyChange {
  readonly what: string
  readonly from?: Hex
  readonly to?: Hex
  readonly why: string
}

export interface CpuPolicy {
  readonly schema: typeof CPU_POLICY_SCHEMA
  readonly cpus: number
  readonly cpuid: readonly CpuidLeaf[]
  readonly apicId: readonly ApicIdField[]
  /** What XCR0 holds from the first instruction on; left out where KVM offers no XSAVE. */
  readonly xcr0?: Hex
  readonly msrs: readonly MsrSetting[]
  readonly changes: readonly PolicyChange[]
}

export interface KvmOffer {
  /** KVM_GET_SUPPORTED_CPUID */
  readonly supported: readonly CpuidEntry[]
  /** KVM_CAP_TSC_DEADLINE_TIMER: the list is silent about it. */
  readonly tscDeadline: boolean
  /** The table that a vCPU then has, which may be another: a software KVM insists on some of the host's own leaves. */
  shown(entries: readonly CpuidEntry[]): readonly CpuidEntry[]
}

/** KVM_CPUID_FLAG_SIGNIFCANT_INDEX: the entry has a subleaf. */
export const CPUID_INDEXED = 1
const XSAVE = 1 << 26
/** SDM vol 1 §13.3: x87, SSE, AVX, and three parts of AVX-512 that are set together or not at all. */
const XCR0_USEFUL = 0b0000_0111
const XCR0_AVX512 = 0b1110_0000

const REGISTERS = ['eax', 'ebx', 'ecx', 'edx'] as const

export const hex = (value: number | bigint): Hex => `0x${value.toString(16)}`

/** All that KVM offers, changed by the rules of cpuid-rules.ts, for a VM of so many processors. */
export function hostCpuPolicy(offer: KvmOffer, cpus: number): CpuPolicy {
  const changes: PolicyChange[] = []
  const wanted = change(offer, cpus, changes).filter(saysSomething)
  const entries = concede(wanted, offer.shown(wanted), changes)
  const xcr0 = usableXcr0(entries)
  const present = new Set(entries.map((entry) => entry.function))
  return {
    schema: CPU_POLICY_SCHEMA,
    cpus,
    cpuid: entries.map(leafOf),
    apicId: APIC_ID_FIELDS.filter(({ leaf }) => present.has(leaf)).map((field) => ({
      ...field,
      leaf: hex(field.leaf),
    })),
    ...(xcr0 === undefined ? {} : { xcr0: hex(xcr0) }),
    msrs: msrsFor(vendorOf(entries)),
    changes,
  }
}

function change({ supported, tscDeadline }: KvmOffer, cpus: number, changes: PolicyChange[]): CpuidEntry[] {
  const vendor = vendorOf(supported)
  const apply = (entry: CpuidEntry, { register, high, low, what, why, value }: CpuidRule): CpuidEntry => {
    const wanted = value({ cpus, tscDeadline, registers: entry })
    const found = getBits(entry[register], high, low)
    if (wanted === undefined || wanted === found) return entry
    const place = `leaf ${nameOf(entry)} ${register.toUpperCase()}[${high === low ? low : `${high}:${low}`}]`
    changes.push({ what: `${what}, ${place}`, from: hex(found), to: hex(wanted), why })
    return { ...entry, [register]: setBits(entry[register], high, low, wanted) }
  }
  return supported.map(withoutApicId).flatMap((entry): CpuidEntry[] => {
    if (TOPOLOGY_LEAVES.includes(entry.function)) {
      if (entry.index > 0) return [] // the host's; ours come with subleaf 0
      changes.push({ what: `topology, leaf ${hex(entry.function)}`, why: TOPOLOGY_WHY })
      return topologySubleaves(cpus).map((registers, index) => ({
        ...entry,
        ...registers,
        index,
        flags: CPUID_INDEXED,
      }))
    }
    const rules = CPUID_RULES.filter((rule) => rule.leaf === entry.function && (rule.vendor ?? vendor) === vendor)
    return [rules.reduce(apply, entry)]
  })
}

const withoutApicId = (entry: CpuidEntry): CpuidEntry =>
  APIC_ID_FIELDS.filter(({ leaf }) => leaf === entry.function).reduce(
    (cleared, { register, high, low }) => ({ ...cleared, [register]: setBits(cleared[register], high, low, 0) }),
    entry,
  )

/** The policy says what guests see, or a VM restored from it would miss what its programs have found there. */
function concede(wanted: readonly CpuidEntry[], shown: readonly CpuidEntry[], changes: PolicyChange[]): CpuidEntry[] {
  return wanted.map((entry) => {
    const found = shown.find((one) => one.function === entry.function && one.index === entry.index)
    const other = found && withoutApicId(found)
    const insisted = { ...entry }
    for (const register of REGISTERS) {
      const fixed = other && fixedBits(entry, register)
      if (!fixed || ((entry[register] ^ other[register]) & fixed) === 0) continue
      insisted[register] = ((entry[register] & ~fixed) | (other[register] & fixed)) >>> 0
      changes.push({
        what: `leaf ${nameOf(entry)} ${register.toUpperCase()}`,
        from: hex(entry[register]),
        to: hex(insisted[register]),
        why: "this KVM insists on it: programs see the host's own",
      })
    }
    return insisted
  })
}

/** KVM keeps the other bits up to date as the guest enables things: OSXSAVE, OSPKE, the size of the enabled states. */
function fixedBits({ function: leaf }: CpuidEntry, register: Register): number {
  if (leaf === 0x1 && register === 'ecx') return ~(1 << 27)
  if (leaf === 0x7 && register === 'ecx') return ~(1 << 4)
  if (leaf === 0xd && register === 'ebx') return 0
  return ~0
}

const nameOf = (entry: CpuidEntry) => (entry.index > 0 ? `${hex(entry.function)}.${entry.index}` : hex(entry.function))

/** A leaf of zeros is what a leaf that is not there reads as. */
const saysSomething = ({ eax, ebx, ecx, edx }: CpuidEntry) => (eax | ebx | ecx | edx) !== 0

const leafOf = ({ function: leaf, index, flags, eax, ebx, ecx, edx }: CpuidEntry): CpuidLeaf => ({
  leaf: hex(leaf),
  ...(flags & CPUID_INDEXED ? { subleaf: index } : {}),
  eax: hex(eax),
  ebx: hex(ebx),
  ecx: hex(ecx),
  edx: hex(edx),
})

/** Hygon's processors are AMD's in all that matters here. */
function vendorOf(entries: readonly CpuidEntry[]): 'intel' | 'amd' | undefined {
  const ebx = entries.find((entry) => entry.function === 0)?.ebx
  if (ebx === 0x756e_6547) return 'intel' // "Genu"
  if (ebx === 0x6874_7541 || ebx === 0x6f67_7948) return 'amd' // "Auth", "Hygo"
  return undefined
}

/**
 * From the first instruction on, as if firmware had enabled it: the guest's own XSETBV then changes nothing, which is
 * what saves AVX on a processor that does not tell KVM of it (QEMU's emulation of SVM).
 */
function usableXcr0(entries: readonly CpuidEntry[]): number | undefined {
  const features = entries.find((entry) => entry.function === 0x1)
  const states = entries.find((entry) => entry.function === 0xd && entry.index === 0)
  if (!features || !states || (features.ecx & XSAVE) === 0) return undefined
  const avx512 = (states.eax & XCR0_AVX512) === XCR0_AVX512 ? XCR0_AVX512 : 0
  return states.eax & (XCR0_USEFUL | avx512)
}

const PAT_AT_RESET = '0x7040600070406'

const msrsFor = (vendor: 'intel' | 'amd' | undefined): MsrSetting[] => [
  { name: 'IA32_PAT', index: '0x277', value: PAT_AT_RESET, why: 'as at reset (SDM vol 3 §11.12.4)' },
  {
    name: 'IA32_MTRR_DEF_TYPE',
    index: '0x2ff',
    value: '0x806',
    why: 'MTRRs on, memory write-back, as firmware leaves them: with MTRRs off a kernel takes all memory for uncached',
  },
  ...(vendor === 'intel'
    ? [
        {
          name: 'IA32_MISC_ENABLE',
          index: '0x1a0',
          value: '0x1801',
          why: 'fast string instructions on, as firmware leaves them; no branch trace store, no event-based sampling',
        } as const,
      ]
    : []),
]

const maskOf = (high: number, low: number) => 2 ** (high - low + 1) - 1

export const getBits = (value: number, high: number, low: number) => ((value >>> low) & maskOf(high, low)) >>> 0

export const setBits = (value: number, high: number, low: number, bits: number) =>
  ((value & ~(maskOf(high, low) << low)) | ((bits & maskOf(high, low)) << low)) >>> 0
