/**
 * What a processor checks of a guest's state at VM entry, one rule a line: Intel SDM volume 3 §27.3.1, AMD APM volume 2
 * §15.5.1. Hardware answers a broken rule with a failed entry; no KVM at hand is as strict, so tests ask here. A state is
 * what the KVM_GET_* ioctls give; of VMX's "unrestricted guest" only the real mode is used (CR0.PE = 0).
 */
import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE } from '../../kvm-bindings/constants.ts'
import type { Debugregs } from '../../kvm-bindings/structs/debug.ts'
import type { Regs } from '../../kvm-bindings/structs/regs.ts'
import type { Segment, Sregs } from '../../kvm-bindings/structs/sregs.ts'
import type { VcpuEvents } from '../../kvm-bindings/structs/vcpu-events.ts'

export interface GuestState {
  readonly sregs: Sregs
  readonly regs: Pick<Regs, 'rip' | 'rflags'>
  readonly debugregs: Pick<Debugregs, 'dr6' | 'dr7'>
  /** By index; rules about an MSR that is not here pass. */
  readonly msrs: ReadonlyMap<number, bigint>
  readonly mpState: number
  readonly events: Pick<VcpuEvents, 'exception' | 'interrupt' | 'nmi' | 'smi'>
  /** The four entries that CR3 points to, where the guest uses PAE paging. */
  readonly pdptes?: readonly bigint[]
  readonly physicalAddressBits: number
}

export interface Rule {
  readonly section: string
  readonly name: string
  readonly holds: (state: GuestState) => boolean
}

export const MSR = {
  SYSENTER_ESP: 0x175,
  SYSENTER_EIP: 0x176,
  DEBUGCTL: 0x1d9,
  PAT: 0x277,
} as const

/** KVM_X86_SHADOW_INT_*: blocking of interrupts for one instruction. */
export const SHADOW = { movSs: 1, sti: 2 } as const

const CR0 = { PE: 1n << 0n, WP: 1n << 16n, NW: 1n << 29n, CD: 1n << 30n, PG: 1n << 31n } as const
const CR4 = { PAE: 1n << 5n, PCIDE: 1n << 17n, CET: 1n << 23n } as const
const EFER = { LME: 1n << 8n, LMA: 1n << 10n } as const
const RFLAGS = { IF: 1n << 9n, VM: 1n << 17n } as const

/** SDM vol 3 §2.5. PE MP EM TS ET NE, WP, AM, NW CD PG */
const CR0_DEFINED = 0xe005_003fn
/** VME to OSXMMEXCPT, UMIP, LA57, then FSGSBASE to PKS, without VMXE (13) and SMXE (14), which KVM gives no guest. */
const CR4_DEFINED = 0x01ff_1fffn & ~(1n << 19n)
/** SCE, LME, LMA, NXE; AMD's LMSLE, FFXSR, TCE, MCOMMIT, INTWB, UAIE, AIBRSE (APM vol 2 §3.1.7). SVME is the host's. */
const EFER_DEFINED = 0x36_ed01n
/** LBR, BTF, then TR to FREEZE_WHILE_SMM (SDM vol 4 table 2-2). */
const DEBUGCTL_DEFINED = 0xdfc3n
const PAT_TYPES = [0, 1, 4, 5, 6, 7]

const bits = (value: bigint, high: bigint, low: bigint) => (value >> low) & ((1n << (high - low + 1n)) - 1n)
const canonical = (address: bigint) => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address
const given = (value: bigint | undefined, holds: (value: bigint) => boolean) => value === undefined || holds(value)

const set = (register: bigint, flag: bigint) => (register & flag) !== 0n
const paging = ({ sregs }: GuestState) => set(sregs.cr0, CR0.PG)
const ia32e = ({ sregs }: GuestState) => set(sregs.efer, EFER.LMA)
const virtual8086 = ({ regs }: GuestState) => set(regs.rflags, RFLAGS.VM)
const realMode = ({ sregs }: GuestState) => !set(sregs.cr0, CR0.PE)
const mode64 = (state: GuestState) => ia32e(state) && state.sregs.cs.l === 1

const DATA = ['ds', 'es', 'fs', 'gs'] as const
const CODE_AND_DATA = ['cs', 'ss', ...DATA] as const
type SegmentName = (typeof CODE_AND_DATA)[number] | 'tr' | 'ldt'

/** KVM marks a segment that is not present as unusable too. */
const usable = ({ unusable, present }: Segment) => unusable === 0 && present === 1
const rpl = ({ selector }: Segment) => selector & 3
const inLdt = ({ selector }: Segment) => (selector & 4) !== 0
const isCode = ({ type }: Segment) => (type & 8) !== 0
const isWritableOrReadable = ({ type }: Segment) => (type & 2) !== 0
const accessed = ({ type }: Segment) => (type & 1) !== 0
const granular = ({ limit, g }: Segment) => ((limit & 0xfff) === 0xfff || g === 0) && (limit >>> 20 === 0 || g === 1)
const fits = ({ type, dpl, present, db, s, l, g, avl, unusable }: Segment) =>
  type < 16 && dpl < 4 && [present, db, s, l, g, avl, unusable].every((flag) => flag < 2)

type SegmentTest = (segment: Segment, state: GuestState) => boolean
const all = (names: readonly SegmentName[], holds: SegmentTest) => (state: GuestState) =>
  names.every((name) => holds(state.sregs[name], state))
/** The segments that a guest in virtual-8086 mode is not asked about. */
const each = (names: readonly SegmentName[], holds: SegmentTest) =>
  all(names, (segment, state) => virtual8086(state) || holds(segment, state))
const eachUsable = (names: readonly SegmentName[], holds: SegmentTest) =>
  each(names, (segment, state) => !usable(segment) || holds(segment, state))
const each8086 = (holds: SegmentTest) =>
  all(CODE_AND_DATA, (segment, state) => !virtual8086(state) || holds(segment, state))

const section = (name: string, rules: Readonly<Record<string, Rule['holds']>>): Rule[] =>
  Object.entries(rules).map(([rule, holds]) => ({ section: name, name: rule, holds }))

export const GUEST_STATE_RULES: readonly Rule[] = [
  ...section('SDM vol 3 §27.3.1.1, control registers, debug registers, MSRs', {
    'CR0 has no reserved bit set': ({ sregs }) => (sregs.cr0 & ~CR0_DEFINED) === 0n,
    'CR0.PG needs CR0.PE': (state) => !paging(state) || set(state.sregs.cr0, CR0.PE),
    'CR4 has no reserved bit set': ({ sregs }) => (sregs.cr4 & ~CR4_DEFINED) === 0n,
    'CR4.CET needs CR0.WP': ({ sregs }) => !set(sregs.cr4, CR4.CET) || set(sregs.cr0, CR0.WP),
    'IA-32e mode needs CR0.PG': (state) => !ia32e(state) || paging(state),
    'IA-32e mode needs CR4.PAE': (state) => !ia32e(state) || set(state.sregs.cr4, CR4.PAE),
    'CR4.PCIDE needs IA-32e mode': (state) => ia32e(state) || !set(state.sregs.cr4, CR4.PCIDE),
    'CR3 is within the physical address width': ({ sregs, physicalAddressBits }) =>
      sregs.cr3 >> BigInt(physicalAddressBits) === 0n,
    'DR7[63:32] is zero': ({ debugregs }) => bits(debugregs.dr7, 63n, 32n) === 0n,
    'IA32_DEBUGCTL has no reserved bit set': ({ msrs }) =>
      given(msrs.get(MSR.DEBUGCTL), (value) => (value & ~DEBUGCTL_DEFINED) === 0n),
    'IA32_SYSENTER_ESP is canonical': ({ msrs }) => given(msrs.get(MSR.SYSENTER_ESP), canonical),
    'IA32_SYSENTER_EIP is canonical': ({ msrs }) => given(msrs.get(MSR.SYSENTER_EIP), canonical),
    'each byte of IA32_PAT is a memory type': ({ msrs }) =>
      given(msrs.get(MSR.PAT), (value) =>
        [0n, 8n, 16n, 24n, 32n, 40n, 48n, 56n].every((at) => PAT_TYPES.includes(Number(bits(value, at + 7n, at)))),
      ),
    'EFER has no reserved bit set': ({ sregs }) => (sregs.efer & ~EFER_DEFINED) === 0n,
    'EFER.LMA is EFER.LME while CR0.PG is set': (state) =>
      !paging(state) || set(state.sregs.efer, EFER.LMA) === set(state.sregs.efer, EFER.LME),
  }),
  ...section('SDM vol 3 §27.3.1.2, segment registers', {
    'TR is in the GDT': all(['tr'], (tr) => !inLdt(tr)),
    'LDTR is in the GDT if usable': all(['ldt'], (ldt) => !usable(ldt) || !inLdt(ldt)),
    'SS and CS have the same RPL': each(['ss'], (ss, state) => realMode(state) || rpl(ss) === rpl(state.sregs.cs)),
    'virtual-8086: base is selector * 16': each8086(({ base, selector }) => base === BigInt(selector) << 4n),
    'virtual-8086: limit is 0xffff': each8086(({ limit }) => limit === 0xffff),
    'virtual-8086: access rights are 0xf3': each8086(
      ({ type, s, dpl, present, avl, l, db, g, unusable }) =>
        type === 3 && s === 1 && dpl === 3 && present === 1 && avl + l + db + g + unusable === 0,
    ),
    'bases of TR, FS and GS are canonical': all(['tr', 'fs', 'gs'], ({ base }) => canonical(base)),
    'base of LDTR is canonical if usable': all(['ldt'], (ldt) => !usable(ldt) || canonical(ldt.base)),
    'CS base has 32 bits': all(['cs'], ({ base }) => base >> 32n === 0n),
    'bases of SS, DS and ES have 32 bits if usable': all(
      ['ss', 'ds', 'es'],
      (one) => !usable(one) || one.base >> 32n === 0n,
    ),
    'CS is an accessed code segment': each(
      ['cs'],
      (cs, state) => accessed(cs) && (isCode(cs) || (realMode(state) && cs.type === 3)),
    ),
    'SS is accessed read/write data if usable': eachUsable(['ss'], ({ type }) => type === 3 || type === 7),
    'DS, ES, FS and GS are accessed if usable': eachUsable(DATA, accessed),
    'DS, ES, FS and GS are readable if code': eachUsable(DATA, (one) => !isCode(one) || isWritableOrReadable(one)),
    'CS, and what is usable, is no system segment': each(
      CODE_AND_DATA,
      (one, state) => (one !== state.sregs.cs && !usable(one)) || one.s === 1,
    ),
    'non-conforming CS has the DPL of SS': each(
      ['cs'],
      (cs, { sregs }) => ![9, 11].includes(cs.type) || cs.dpl === sregs.ss.dpl,
    ),
    'conforming CS has no DPL above that of SS': each(
      ['cs'],
      (cs, { sregs }) => ![13, 15].includes(cs.type) || cs.dpl <= sregs.ss.dpl,
    ),
    'CS of type 3 has DPL 0': each(['cs'], ({ type, dpl }) => type !== 3 || dpl === 0),
    'DPL of SS is its RPL': each(['ss'], (ss, state) => realMode(state) || ss.dpl === rpl(ss)),
    'DPL of SS is 0 in real mode': each(
      ['ss'],
      (ss, state) => !(realMode(state) || state.sregs.cs.type === 3) || ss.dpl === 0,
    ),
    'DPL of DS, ES, FS and GS is not below the RPL': eachUsable(
      DATA,
      (one, state) => realMode(state) || one.type > 11 || one.dpl >= rpl(one),
    ),
    'CS is present': each(['cs'], ({ present, unusable }) => present === 1 && unusable === 0),
    'no reserved bit of access rights is set': all([...CODE_AND_DATA, 'tr', 'ldt'], fits),
    'CS is not both 64-bit and of 32-bit default size': each(
      ['cs'],
      ({ l, db }, state) => !ia32e(state) || l === 0 || db === 0,
    ),
    'limit and granularity of CS agree': each(['cs'], granular),
    'limit and granularity of SS, DS, ES, FS and GS agree if usable': eachUsable(['ss', ...DATA], granular),
    'TR is a busy TSS': all(['tr'], ({ type }, state) => type === 11 || (type === 3 && !ia32e(state))),
    'TR is a system segment': all(['tr'], ({ s }) => s === 0),
    'TR is present and usable': all(['tr'], usable),
    'limit and granularity of TR agree': all(['tr'], granular),
    'LDTR is an LDT if usable': all(['ldt'], (ldt) => !usable(ldt) || (ldt.type === 2 && ldt.s === 0)),
    'limit and granularity of LDTR agree if usable': all(['ldt'], (ldt) => !usable(ldt) || granular(ldt)),
  }),
  ...section('SDM vol 3 §27.3.1.3, descriptor-table registers', {
    'bases of GDTR and IDTR are canonical': ({ sregs }) => canonical(sregs.gdt.base) && canonical(sregs.idt.base),
    'limits of GDTR and IDTR have 16 bits': ({ sregs }) => sregs.gdt.limit <= 0xffff && sregs.idt.limit <= 0xffff,
  }),
  ...section('SDM vol 3 §27.3.1.4, RIP, RFLAGS', {
    'RIP has 32 bits outside 64-bit mode': (state) => mode64(state) || state.regs.rip >> 32n === 0n,
    'RIP is canonical in 64-bit mode': (state) => !mode64(state) || canonical(state.regs.rip),
    'reserved bits of RFLAGS are zero, bit 1 is one': ({ regs: { rflags } }) =>
      rflags >> 22n === 0n && !set(rflags, (1n << 15n) | (1n << 5n) | (1n << 3n)) && set(rflags, 1n << 1n),
    'RFLAGS.VM needs CR0.PE and no IA-32e mode': (state) => !virtual8086(state) || (!realMode(state) && !ia32e(state)),
    'an interrupt that is delivered needs RFLAGS.IF': ({ regs, events }) =>
      events.interrupt.injected === 0 || set(regs.rflags, RFLAGS.IF),
  }),
  ...section('SDM vol 3 §27.3.1.5, non-register state', {
    'halted only at SS.DPL 0': ({ sregs, mpState }) => mpState !== KVM_MP_STATE_HALTED || sregs.ss.dpl === 0,
    'active while an instruction blocks interrupts': ({ events, mpState }) =>
      events.interrupt.shadow === 0 || mpState === KVM_MP_STATE_RUNNABLE,
    'not blocked by STI and by MOV SS': ({ events }) => events.interrupt.shadow !== (SHADOW.sti | SHADOW.movSs),
    'blocked by STI only with RFLAGS.IF': ({ events, regs }) =>
      (events.interrupt.shadow & SHADOW.sti) === 0 || set(regs.rflags, RFLAGS.IF),
    'no interrupt is delivered while blocked': ({ events }) =>
      events.interrupt.injected === 0 || events.interrupt.shadow === 0,
    'no NMI is delivered while MOV SS blocks': ({ events }) =>
      events.nmi.injected === 0 || (events.interrupt.shadow & SHADOW.movSs) === 0,
    'not in system management mode': ({ events }) => events.smi.smm === 0,
  }),
  ...section('SDM vol 3 §27.3.1.6, page-directory-pointer-table entries', {
    'PDPTEs have no reserved bit set': (state) =>
      !usesPae(state) || (state.pdptes ?? []).every((entry) => !set(entry, 1n) || reservedInPdpte(entry, state) === 0n),
  }),
  ...section('APM vol 2 §15.5.1, consistency checks of VMRUN', {
    'CR0.NW needs CR0.CD': ({ sregs }) => !set(sregs.cr0, CR0.NW) || set(sregs.cr0, CR0.CD),
    'CR0[63:32] is zero': ({ sregs }) => sregs.cr0 >> 32n === 0n,
    'CR3 has no MBZ bit set': ({ sregs, physicalAddressBits }) => sregs.cr3 >> BigInt(physicalAddressBits) === 0n,
    'CR4 has no MBZ bit set': ({ sregs }) => (sregs.cr4 & ~CR4_DEFINED) === 0n,
    'DR6[63:32] is zero': ({ debugregs }) => bits(debugregs.dr6, 63n, 32n) === 0n,
    'DR7[63:32] is zero (VMRUN)': ({ debugregs }) => bits(debugregs.dr7, 63n, 32n) === 0n,
    'EFER has no MBZ bit set': ({ sregs }) => (sregs.efer & ~EFER_DEFINED) === 0n,
    'EFER.LME and CR0.PG need CR4.PAE': (state) => !longModeOn(state) || set(state.sregs.cr4, CR4.PAE),
    'EFER.LME and CR0.PG need CR0.PE': (state) => !longModeOn(state) || !realMode(state),
    'EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are not all set': (state) =>
      !(longModeOn(state) && set(state.sregs.cr4, CR4.PAE) && state.sregs.cs.l === 1 && state.sregs.cs.db === 1),
    'CR4.CET needs CR0.WP (VMRUN)': ({ sregs }) => !set(sregs.cr4, CR4.CET) || set(sregs.cr0, CR0.WP),
    'an exception that is delivered is one': ({ events }) =>
      events.exception.injected === 0 || (events.exception.nr < 32 && events.exception.nr !== 2),
  }),
]

const usesPae = (state: GuestState) => paging(state) && set(state.sregs.cr4, CR4.PAE) && !ia32e(state)
/** SDM vol 3 §4.4.1: bits 2-1 and 8-5, and those above the address. */
const reservedInPdpte = (entry: bigint, { physicalAddressBits }: GuestState) =>
  (entry & 0x1e6n) | (entry >> BigInt(physicalAddressBits))
const longModeOn = (state: GuestState) => set(state.sregs.efer, EFER.LME) && paging(state)

/** @returns `section: name` of each rule that does not hold; empty for a state that every processor takes. */
export const brokenRules = (state: GuestState): string[] =>
  GUEST_STATE_RULES.filter(({ holds }) => !holds(state)).map(({ section, name }) => `${section}: ${name}`)
