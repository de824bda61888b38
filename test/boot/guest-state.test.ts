/**
 * The guest-state checks that a processor makes at VM entry (SDM vol 3 §27.3.1, APM vol 2 §15.5.1): each one is seen to
 * notice a state that breaks it, and the state that the VMM sets up breaks none, as declared and as KVM gives it back.
 */
import test from 'ava'
import { KVM_MP_STATE_HALTED } from '../../kvm-bindings/constants.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { Segment, Sregs } from '../../kvm-bindings/structs/sregs.ts'
import { longModeEntryState } from '../../src/boot/linux/long-mode.ts'
import { pvhEntryState } from '../../src/boot/pvh-cpu-state.ts'
import { setEntryState, suggestAndApply } from '../../src/machine/vcpu-setup.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import { brokenRules, GUEST_STATE_RULES, type GuestState, MSR, SHADOW } from '../helpers/guest-state-checks.ts'
import { GUEST_STATES, guestStateOf } from '../helpers/guest-states.ts'
import { kvmTest } from '../helpers/kvm.ts'

type Change = (state: GuestState) => GuestState
type SegmentName = 'cs' | 'ds' | 'es' | 'fs' | 'gs' | 'ss' | 'tr' | 'ldt'

const sregs =
  (fields: Partial<Sregs>): Change =>
  (state) => ({ ...state, sregs: { ...state.sregs, ...fields } })
const segment =
  (name: SegmentName, fields: Partial<Segment>): Change =>
  (state) =>
    sregs({ [name]: { ...state.sregs[name], ...fields } })(state)
const regs =
  (fields: Partial<GuestState['regs']>): Change =>
  (state) => ({ ...state, regs: { ...state.regs, ...fields } })
const debugregs =
  (fields: Partial<GuestState['debugregs']>): Change =>
  (state) => ({
    ...state,
    debugregs: { ...state.debugregs, ...fields },
  })
const msr =
  (index: number, value: bigint): Change =>
  (state) => ({ ...state, msrs: new Map([...state.msrs, [index, value]]) })
const interrupt =
  (fields: Partial<GuestState['events']['interrupt']>): Change =>
  (state) => ({
    ...state,
    events: { ...state.events, interrupt: { ...state.events.interrupt, ...fields } },
  })
const both =
  (...changes: Change[]): Change =>
  (state) =>
    changes.reduce((changed, change) => change(changed), state)

const NOT_CANONICAL = 0x8000_0000_0000n
const ABOVE_32_BITS = 1n << 32n

/** For each rule a state that every processor takes, and a change that makes it break the rule. Several: several sides of it. */
const BREAKERS: Readonly<Record<string, readonly (readonly [keyof typeof GUEST_STATES, Change])[]>> = {
  'CR0 has no reserved bit set': [['protected', sregs({ cr0: 0x51n })]],
  'CR0.PG needs CR0.PE': [['pae', sregs({ cr0: 0x8000_0010n })]],
  'CR4 has no reserved bit set': [
    ['protected', sregs({ cr4: 1n << 13n })],
    ['long', sregs({ cr4: 0x20n | (1n << 40n) })],
  ],
  'CR4.CET needs CR0.WP': [['protected', sregs({ cr4: 1n << 23n })]],
  'IA-32e mode needs CR0.PG': [['long', sregs({ cr0: 0x11n })]],
  'IA-32e mode needs CR4.PAE': [['long', sregs({ cr4: 0n })]],
  'CR4.PCIDE needs IA-32e mode': [['pae', sregs({ cr4: 0x20n | (1n << 17n) })]],
  'CR3 is within the physical address width': [['long', sregs({ cr3: 1n << 40n })]],
  'DR7[63:32] is zero': [['protected', debugregs({ dr7: ABOVE_32_BITS })]],
  'IA32_DEBUGCTL has no reserved bit set': [['protected', msr(MSR.DEBUGCTL, 1n << 20n)]],
  'IA32_SYSENTER_ESP is canonical': [['long', msr(MSR.SYSENTER_ESP, NOT_CANONICAL)]],
  'IA32_SYSENTER_EIP is canonical': [['long', msr(MSR.SYSENTER_EIP, NOT_CANONICAL)]],
  'each byte of IA32_PAT is a memory type': [
    ['protected', msr(MSR.PAT, 0x02n)],
    ['protected', msr(MSR.PAT, 0x08n << 56n)],
  ],
  'EFER has no reserved bit set': [['protected', sregs({ efer: 2n })]],
  'EFER.LMA is EFER.LME while CR0.PG is set': [
    ['long', sregs({ efer: 0x400n })],
    ['pae', sregs({ efer: 0x100n })],
  ],

  'TR is in the GDT': [['protected', segment('tr', { selector: 0x24 })]],
  'LDTR is in the GDT if usable': [['real', segment('ldt', { selector: 4 })]],
  'SS and CS have the same RPL': [['protected', segment('ss', { selector: 0x1b, dpl: 3 })]],
  'virtual-8086: base is selector * 16': [['virtual8086', segment('gs', { base: 0n })]],
  'virtual-8086: limit is 0xffff': [['virtual8086', segment('cs', { limit: 0xfffff })]],
  'virtual-8086: access rights are 0xf3': [
    ['virtual8086', segment('cs', { type: 11 })],
    ['virtual8086', segment('ds', { dpl: 0 })],
  ],
  'bases of TR, FS and GS are canonical': [
    ['long', segment('fs', { base: NOT_CANONICAL })],
    ['long', segment('tr', { base: NOT_CANONICAL })],
  ],
  'base of LDTR is canonical if usable': [['real', segment('ldt', { base: NOT_CANONICAL })]],
  'CS base has 32 bits': [['protected', segment('cs', { base: ABOVE_32_BITS })]],
  'bases of SS, DS and ES have 32 bits if usable': [['long', segment('es', { base: ABOVE_32_BITS })]],
  'CS is an accessed code segment': [
    ['protected', segment('cs', { type: 10 })],
    ['protected', segment('cs', { type: 3 })],
  ],
  'SS is accessed read/write data if usable': [
    ['protected', segment('ss', { type: 2 })],
    ['protected', segment('ss', { type: 11 })],
  ],
  'DS, ES, FS and GS are accessed if usable': [['protected', segment('gs', { type: 2 })]],
  'DS, ES, FS and GS are readable if code': [['protected', segment('ds', { type: 9 })]],
  'CS, and what is usable, is no system segment': [
    ['protected', segment('cs', { s: 0 })],
    ['protected', segment('fs', { s: 0 })],
  ],
  'non-conforming CS has the DPL of SS': [['protected', segment('cs', { dpl: 3 })]],
  'conforming CS has no DPL above that of SS': [['protected', segment('cs', { type: 15, dpl: 1 })]],
  'CS of type 3 has DPL 0': [['real', segment('cs', { type: 3, dpl: 1 })]],
  'DPL of SS is its RPL': [['protected', segment('ss', { dpl: 1 })]],
  'DPL of SS is 0 in real mode': [['real', segment('ss', { dpl: 3 })]],
  'DPL of DS, ES, FS and GS is not below the RPL': [['protected', segment('ds', { selector: 0x1b })]],
  'CS is present': [
    ['protected', segment('cs', { present: 0 })],
    ['protected', segment('cs', { unusable: 1 })],
  ],
  'no reserved bit of access rights is set': [['protected', segment('es', { type: 0x13 })]],
  'CS is not both 64-bit and of 32-bit default size': [['long', segment('cs', { db: 1 })]],
  'limit and granularity of CS agree': [
    ['protected', segment('cs', { g: 0 })],
    ['protected', segment('cs', { limit: 0xffff_f000 })],
  ],
  'limit and granularity of SS, DS, ES, FS and GS agree if usable': [['protected', segment('ds', { g: 0 })]],
  'TR is a busy TSS': [
    ['protected', segment('tr', { type: 9 })],
    ['long', segment('tr', { type: 3 })],
  ],
  'TR is a system segment': [['protected', segment('tr', { s: 1 })]],
  'TR is present and usable': [
    ['protected', segment('tr', { present: 0 })],
    ['protected', segment('tr', { unusable: 1 })],
  ],
  'limit and granularity of TR agree': [['protected', segment('tr', { g: 1 })]],
  'LDTR is an LDT if usable': [['real', segment('ldt', { type: 3 })]],
  'limit and granularity of LDTR agree if usable': [['real', segment('ldt', { limit: 0x10_0000 })]],

  'bases of GDTR and IDTR are canonical': [
    ['long', sregs({ gdt: { base: NOT_CANONICAL, limit: 0, padding: [] } })],
    ['long', sregs({ idt: { base: NOT_CANONICAL, limit: 0, padding: [] } })],
  ],
  'limits of GDTR and IDTR have 16 bits': [['protected', sregs({ idt: { base: 0n, limit: 0x1_0000, padding: [] } })]],

  'RIP has 32 bits outside 64-bit mode': [
    ['protected', regs({ rip: ABOVE_32_BITS })],
    ['long', both(segment('cs', { l: 0 }), regs({ rip: ABOVE_32_BITS }))],
  ],
  'RIP is canonical in 64-bit mode': [['long', regs({ rip: NOT_CANONICAL })]],
  'reserved bits of RFLAGS are zero, bit 1 is one': [
    ['protected', regs({ rflags: 0n })],
    ['protected', regs({ rflags: 0xan })],
    ['protected', regs({ rflags: 0x40_0002n })],
  ],
  'RFLAGS.VM needs CR0.PE and no IA-32e mode': [
    ['real', regs({ rflags: 0x2_0002n })],
    ['long', regs({ rflags: 0x2_0002n })],
  ],
  'an interrupt that is delivered needs RFLAGS.IF': [['protected', interrupt({ injected: 1, nr: 32 })]],

  'halted only at SS.DPL 0': [['virtual8086', (state) => ({ ...state, mpState: KVM_MP_STATE_HALTED })]],
  'active while an instruction blocks interrupts': [
    ['protected', both(interrupt({ shadow: SHADOW.movSs }), (state) => ({ ...state, mpState: KVM_MP_STATE_HALTED }))],
  ],
  'not blocked by STI and by MOV SS': [['virtual8086', interrupt({ shadow: SHADOW.sti | SHADOW.movSs })]],
  'blocked by STI only with RFLAGS.IF': [['protected', interrupt({ shadow: SHADOW.sti })]],
  'no interrupt is delivered while blocked': [['virtual8086', interrupt({ injected: 1, nr: 32, shadow: SHADOW.sti })]],
  'no NMI is delivered while MOV SS blocks': [
    [
      'protected',
      both(interrupt({ shadow: SHADOW.movSs }), (state) => ({
        ...state,
        events: { ...state.events, nmi: { ...state.events.nmi, injected: 1 } },
      })),
    ],
  ],
  'not in system management mode': [
    ['protected', (state) => ({ ...state, events: { ...state.events, smi: { ...state.events.smi, smm: 1 } } })],
  ],

  'PDPTEs have no reserved bit set': [
    ['pae', (state) => ({ ...state, pdptes: [0x2003n, 0n, 0n, 0n] })],
    ['pae', (state) => ({ ...state, pdptes: [0n, 0n, 0n, (1n << 40n) | 1n] })],
  ],

  'CR0.NW needs CR0.CD': [['protected', sregs({ cr0: 0x2000_0011n })]],
  'CR0[63:32] is zero': [['protected', sregs({ cr0: ABOVE_32_BITS | 0x11n })]],
  'CR3 has no MBZ bit set': [['long', sregs({ cr3: 1n << 63n })]],
  'CR4 has no MBZ bit set': [['protected', sregs({ cr4: ABOVE_32_BITS })]],
  'DR6[63:32] is zero': [['protected', debugregs({ dr6: ABOVE_32_BITS })]],
  'DR7[63:32] is zero (VMRUN)': [['protected', debugregs({ dr7: ABOVE_32_BITS })]],
  'EFER has no MBZ bit set': [['protected', sregs({ efer: 1n << 9n })]],
  'EFER.LME and CR0.PG need CR4.PAE': [['long', sregs({ cr4: 0n })]],
  'EFER.LME and CR0.PG need CR0.PE': [['long', sregs({ cr0: 0x8001_0010n })]],
  'EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are not all set': [['long', segment('cs', { db: 1 })]],
  'CR4.CET needs CR0.WP (VMRUN)': [['pae', sregs({ cr4: 0x20n | (1n << 23n) })]],
  'an exception that is delivered is one': [
    [
      'protected',
      (state) => ({
        ...state,
        events: { ...state.events, exception: { ...state.events.exception, injected: 1, nr: 2 } },
      }),
    ],
  ],
}

for (const [name, state] of Object.entries(GUEST_STATES)) {
  test(`the example of a state in ${name} mode breaks no rule`, (t) => {
    t.deepEqual(brokenRules(state), [])
  })
}

test('every rule has a name of its own, and a state that breaks it', (t) => {
  const names = GUEST_STATE_RULES.map(({ name }) => name)
  t.is(new Set(names).size, names.length)
  t.deepEqual(Object.keys(BREAKERS).sort(), [...names].sort())
})

for (const { section, name } of GUEST_STATE_RULES) {
  test(`a state that breaks it is noticed: ${name} (${section})`, (t) => {
    for (const [mode, change] of BREAKERS[name]!) {
      t.true(brokenRules(change(GUEST_STATES[mode])).includes(`${section}: ${name}`), mode)
    }
  })
}

test('what is unusable is not asked for more than its base', (t) => {
  const away = (name: SegmentName) => segment(name, { unusable: 1, present: 0, type: 0, s: 0, limit: 1, g: 1, dpl: 0 })
  t.deepEqual(brokenRules(both(...(['ds', 'es', 'fs', 'gs', 'ldt'] as const).map(away))(GUEST_STATES.long)), [])
})

const ENTRIES = {
  'a PVH kernel': pvhEntryState(0x10_0040, 0x6000),
  'a 64-bit Linux': longModeEntryState(
    GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(0x1_0000) }]),
    0x100_0200,
    0x6000,
  ),
}

for (const [what, entry] of Object.entries(ENTRIES)) {
  test(`the state in which ${what} begins breaks no rule`, (t) => {
    const { sregs: ours, regs: begun } = entry
    t.deepEqual(brokenRules(both(sregs(ours), regs({ rip: begun.rip, rflags: begun.rflags }))(GUEST_STATES.real)), [])
  })

  kvmTest(`what KVM then has to enter ${what} with breaks no rule, and is what was asked for`, (t) => {
    using kvm = KvmSystem.open()
    using vm = kvm.createVm()
    vm.createIrqchip()
    using vcpu = vm.createVcpu(0)
    suggestAndApply(kvm, vcpu, 1)
    setEntryState(vcpu, entry)

    const addressBits = kvm.supportedCpuid().find((row) => row.function === 0x8000_0008)!.eax & 0xff
    const state = guestStateOf(vcpu, addressBits)
    t.deepEqual(brokenRules(state), [])
    t.true(state.msrs.has(MSR.PAT) && state.msrs.has(MSR.SYSENTER_EIP))

    const { sregs: got } = state
    const { cr0, cr3, cr4, efer, ldt, ...present } = entry.sregs
    t.like(got, { cr0, cr3, cr4, efer })
    // A segment that is not present has no other attribute worth keeping: KVM's backends differ in what they give back.
    for (const name of ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr'] as const) t.deepEqual(got[name], present[name], name)
    t.is(got.ldt.present & ~got.ldt.unusable, ldt.present)
    t.like(vcpu.getRegs(), entry.regs)
  })
}
