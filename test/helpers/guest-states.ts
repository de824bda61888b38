/** States that every processor takes, one for each mode a vCPU may begin in: what tests of guest-state checks start from. */
import { KVM_MP_STATE_RUNNABLE } from '../../kvm-bindings/constants.ts'
import type { Segment, Sregs } from '../../kvm-bindings/structs/sregs.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { type GuestState, MSR } from './guest-state-checks.ts'

const segment = (fields: Partial<Segment>): Segment => ({
  ...{ base: 0n, limit: 0xffff, selector: 0, type: 3, present: 1, dpl: 0, db: 0, s: 1, l: 0, g: 0, avl: 0 },
  ...{ unusable: 0, padding: 0 },
  ...fields,
})

const table = { base: 0n, limit: 0xffff, padding: [0, 0, 0] }
const flat = { limit: 0xffff_ffff, g: 1, db: 1 }

/** SDM vol 3 §9.1: as a processor leaves reset. */
const atReset: Sregs = {
  cs: segment({ base: 0xffff_0000n, selector: 0xf000, type: 11 }),
  ds: segment({}),
  es: segment({}),
  fs: segment({}),
  gs: segment({}),
  ss: segment({}),
  tr: segment({ type: 11, s: 0 }),
  ldt: segment({ type: 2, s: 0 }),
  gdt: table,
  idt: table,
  cr0: 0x6000_0010n,
  cr2: 0n,
  cr3: 0n,
  cr4: 0n,
  cr8: 0n,
  efer: 0n,
  apic_base: 0xfee0_0900n,
  interrupt_bitmap: [0n, 0n, 0n, 0n],
}

const state = (sregs: Partial<Sregs>, rest: Partial<GuestState> = {}): GuestState => ({
  sregs: { ...atReset, ...sregs },
  regs: { rip: 0x10_0000n, rflags: 0x2n },
  debugregs: { dr6: 0xffff_0ff0n, dr7: 0x400n },
  msrs: new Map([
    [MSR.PAT, 0x0007_0406_0007_0406n],
    [MSR.SYSENTER_ESP, 0n],
    [MSR.SYSENTER_EIP, 0xffff_8000_0000_0000n],
    [MSR.DEBUGCTL, 1n],
  ]),
  mpState: KVM_MP_STATE_RUNNABLE,
  events: {
    exception: { injected: 0, nr: 0, has_error_code: 0, pending: 0, error_code: 0 },
    interrupt: { injected: 0, nr: 0, soft: 0, shadow: 0 },
    nmi: { injected: 0, pending: 0, masked: 0, pad: 0 },
    smi: { smm: 0, pending: 0, smm_inside_nmi: 0, latched_init: 0 },
  },
  physicalAddressBits: 40,
  ...rest,
})

const data = segment({ ...flat, selector: 0x18 })
const protectedMode: Partial<Sregs> = {
  cs: segment({ ...flat, selector: 0x10, type: 11 }),
  ...{ ds: data, es: data, fs: data, gs: data, ss: data },
  tr: segment({ selector: 0x20, type: 11, s: 0, limit: 0x67 }),
  ldt: segment({ type: 2, s: 0, present: 0, unusable: 1 }),
  cr0: 0x11n,
}
/** SDM vol 3 §20.1: a real-mode program under a protected-mode kernel. */
const task8086 = segment({ selector: 0x1234, base: 0x12340n, dpl: 3 })

export const GUEST_STATES = {
  real: state({}, { regs: { rip: 0xfff0n, rflags: 0x2n } }),
  protected: state(protectedMode),
  pae: state({ ...protectedMode, cr0: 0x8000_0011n, cr3: 0x1000n, cr4: 0x20n }, { pdptes: [0x2001n, 0n, 0n, 0n] }),
  virtual8086: state(
    { ...protectedMode, cs: task8086, ds: task8086, es: task8086, fs: task8086, gs: task8086, ss: task8086 },
    { regs: { rip: 0x100n, rflags: 0x2_0202n } },
  ),
  long: state(
    {
      ...protectedMode,
      cs: segment({ limit: 0xffff_ffff, g: 1, selector: 0x10, type: 11, l: 1 }),
      cr0: 0x8001_0031n,
      cr3: 0x1000n,
      cr4: 0x4_0620n,
      efer: 0xd01n,
    },
    { regs: { rip: 0xffff_8000_0010_0000n, rflags: 0x2n } },
  ),
} as const satisfies Record<string, GuestState>

/** What a real vCPU is about to enter its guest with. */
export function guestStateOf(vcpu: VcpuFd, physicalAddressBits: number): GuestState {
  const msrs = Object.values(MSR).flatMap((index) => vcpu.getMsrs([index]))
  return {
    sregs: vcpu.getSregs(),
    regs: vcpu.getRegs(),
    debugregs: vcpu.getDebugregs(),
    msrs: new Map(msrs.map(({ index, data }) => [index, data])),
    mpState: vcpu.getMpState(),
    events: vcpu.getVcpuEvents(),
    physicalAddressBits,
  }
}
