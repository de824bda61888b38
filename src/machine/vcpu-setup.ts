/**
 * All that a vCPU is given before its first instruction: what it is, by the policy, and where it begins, by the boot
 * protocol. A kernel or a KVM that refuses a part of it is an error here, not a surprise in the guest.
 */
import { CAP } from '../../kvm-bindings/capabilities.ts'
import type { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { CpuidEntry } from '../../kvm-bindings/structs/cpuid.ts'
import type { Regs } from '../../kvm-bindings/structs/regs.ts'
import type { Sregs } from '../../kvm-bindings/structs/sregs.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { HostError } from '../errors.ts'
import { CPUID_INDEXED, type CpuPolicy, hostCpuPolicy, setBits } from './cpu-policy.ts'

/** Registers that a boot protocol sets; the rest stay as at reset. */
export interface EntryState {
  readonly sregs: Partial<Sregs>
  readonly regs: Partial<Regs>
}

/** Where what was suggested once is kept; it is recalled only where it holds. */
export interface PolicyMemory {
  recall(): CpuPolicy | undefined
  remember(policy: CpuPolicy): void
}

/** Programs a vCPU that has not run with what this host suggests. @returns that */
export function suggestAndApply(kvm: KvmSystem, vcpu: VcpuFd, cpus: number, memory?: PolicyMemory): CpuPolicy {
  const recalled = memory?.recall()
  if (recalled?.cpus === cpus) {
    try {
      applyCpuPolicy(vcpu, recalled)
      return recalled
    } catch {
      // Damaged, or no longer what this KVM takes.
    }
  }
  const policy = suggestCpuPolicy(kvm, vcpu, cpus)
  applyCpuPolicy(vcpu, policy)
  memory?.remember(policy)
  return policy
}

/** For a VM of so many processors on this host; `vcpu` is one that has not run, and is programmed afterwards. */
export function suggestCpuPolicy(kvm: KvmSystem, vcpu: VcpuFd, cpus: number): CpuPolicy {
  const offer = {
    supported: kvm.supportedCpuid(),
    tscDeadline: kvm.checkExtension(CAP.KVM_CAP_TSC_DEADLINE_TIMER) > 0,
    shown(entries: readonly CpuidEntry[]) {
      vcpu.setCpuid2(entries)
      return vcpu.getCpuid2()
    },
  }
  return hostCpuPolicy(offer, cpus)
}

/** Where it begins; what it is, it was told before. */
export function setEntryState(vcpu: VcpuFd, { sregs, regs }: EntryState): void {
  vcpu.setSregs({ ...vcpu.getSregs(), ...sregs })
  vcpu.setRegs({ ...vcpu.getRegs(), ...regs })
}

/**
 * The APIC id of a vCPU is its number. CPUID comes first: KVM holds XCR0 and the MSRs against it.
 * @throws HostError when this KVM cannot give what the policy says, as one recorded on another host may not.
 */
export function applyCpuPolicy(vcpu: VcpuFd, policy: CpuPolicy): void {
  attempt(vcpu, 'CPUID table', () => vcpu.setCpuid2(cpuidEntries(policy, vcpu.id)))
  const { xcr0, msrs } = policy
  if (xcr0 !== undefined) {
    attempt(vcpu, `XCR0 of ${xcr0}`, () => vcpu.setXcrs([{ xcr: 0, value: BigInt(xcr0) }]))
  }
  const entries = msrs.map(({ index, value }) => ({ index: Number(index), data: BigInt(value) }))
  const refused = msrs[entries.length === 0 ? 0 : vcpu.setMsrs(entries)]
  if (refused) throw cannot(vcpu, `${refused.name} (MSR ${refused.index}) of ${refused.value}`)
}

/** The table for one vCPU: its APIC id is put where the policy says. */
export function cpuidEntries({ cpuid, apicId: fields }: CpuPolicy, apicId: number): CpuidEntry[] {
  return cpuid.map(({ leaf, subleaf, eax, ebx, ecx, edx }) => {
    const entry = {
      function: Number(leaf),
      index: subleaf ?? 0,
      flags: subleaf === undefined ? 0 : CPUID_INDEXED,
      eax: Number(eax),
      ebx: Number(ebx),
      ecx: Number(ecx),
      edx: Number(edx),
    }
    for (const { register, high, low } of fields.filter((field) => field.leaf === leaf)) {
      entry[register] = setBits(entry[register], high, low, apicId)
    }
    return entry
  })
}

function attempt(vcpu: VcpuFd, what: string, set: () => void): void {
  try {
    set()
  } catch (cause) {
    throw cannot(vcpu, what, cause)
  }
}

function cannot(vcpu: VcpuFd, what: string, cause?: unknown): HostError {
  return new HostError(`Cannot set up vCPU ${vcpu.id}: KVM refuses a ${what}.`, {
    hint: 'The processor policy asks for what this host lacks; a VM recorded on another one may need that one.',
    cause,
  })
}
