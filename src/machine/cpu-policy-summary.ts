/** A processor policy in a few lines for people. */
import { type CpuidLeaf, type CpuPolicy, getBits } from './cpu-policy.ts'

export interface CpuPolicySummary {
  /** `AuthenticAMD, family 25, model 17, stepping 1`; the name it goes by in front, where it has one. */
  readonly processor: string
  readonly cpus: number
  /** Vector registers and the like that programs may use, by the parts of XCR0. */
  readonly state: string
  /** `IA32_PAT 0x7040600070406` */
  readonly msrs: readonly string[]
  /** `SVM, leaf 0x80000001 ECX[2]: 0x1 -> 0x0 (why)` */
  readonly changes: readonly string[]
}

/** SDM vol 1 §13.1. */
const XCR0_PARTS = ['x87', 'SSE', 'AVX', 'BNDREGS', 'BNDCSR', 'opmask', 'ZMM_Hi256', 'Hi16_ZMM']
const BRAND_LEAVES = ['0x80000002', '0x80000003', '0x80000004']

export function summarizeCpuPolicy({ cpuid, cpus, xcr0, msrs, changes }: CpuPolicy): CpuPolicySummary {
  const find = (leaf: string) => cpuid.find((entry) => entry.leaf === leaf)
  const brand = BRAND_LEAVES.map((leaf) => textOf(find(leaf), ['eax', 'ebx', 'ecx', 'edx']))
    .join('')
    .trim()
  const vendor = textOf(find('0x0'), ['ebx', 'edx', 'ecx']) || 'a processor without a vendor'
  return {
    processor: [...(brand ? [brand] : []), vendor, modelOf(Number(find('0x1')?.eax ?? 0))].join(', '),
    cpus,
    state:
      xcr0 === undefined
        ? 'x87 SSE (no XSAVE)'
        : XCR0_PARTS.filter((_, bit) => getBits(Number(xcr0), bit, bit) === 1).join(' '),
    msrs: msrs.map(({ name, value }) => `${name} ${value}`),
    changes: changes.map(({ what, from, to, why }) =>
      from === undefined ? `${what} (${why})` : `${what}: ${from} -> ${to} (${why})`,
    ),
  }
}

/** SDM vol 2 CPUID leaf 1 EAX; AMD adds the extended model from family 15 on too. */
function modelOf(signature: number): string {
  const family = getBits(signature, 11, 8)
  const extended = family === 6 || family === 15 ? getBits(signature, 19, 16) << 4 : 0
  const full = family === 15 ? family + getBits(signature, 27, 20) : family
  return `family ${full}, model ${extended + getBits(signature, 7, 4)}, stepping ${getBits(signature, 3, 0)}`
}

/** Four characters a register; a recorded policy may hold anything, and this goes to a terminal. */
function textOf(entry: CpuidLeaf | undefined, registers: readonly ('eax' | 'ebx' | 'ecx' | 'edx')[]): string {
  if (!entry) return ''
  const bytes = registers.flatMap((name) => [0, 8, 16, 24].map((at) => (Number(entry[name]) >>> at) & 0xff))
  return String.fromCharCode(...bytes.filter((byte) => byte >= 0x20 && byte < 0x7f))
}
