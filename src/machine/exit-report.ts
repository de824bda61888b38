/** The paragraph a user reads when a guest died: what happened, where, and what to try. */
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { hex } from './exit-words.ts'

/** Longest x86 instruction. */
const INSTRUCTION_BYTES = 15

const pad = (value: bigint) => value.toString(16).padStart(16, '0')

/**
 * @param happened a clause such as `the vCPU shut down (triple fault)`
 * @param advice what to try, a full sentence
 */
export function reportDeath(vcpu: VcpuFd, memory: GuestMemory, happened: string, advice: string): string {
  const regs = vcpu.getRegs()
  const sregs = vcpu.getSregs()
  const bytes = instructionAt(vcpu, memory)
  const found = bytes.length > 0 ? bytes.join(' ') : 'none, there is no memory'
  const privilege = vcpu.id === 0 ? sregs.ss.dpl : `${sregs.ss.dpl}, vCPU ${vcpu.id}`
  const mode = (sregs.cr0 & 1n) === 0n ? 'real mode' : sregs.cs.l ? '64-bit mode' : 'protected mode'
  return [
    `The guest died: ${happened}, at rip ${hex(regs.rip)} in ${mode}, privilege ${privilege}.`,
    `  bytes at rip: ${found}`,
    `  rax ${pad(regs.rax)} rbx ${pad(regs.rbx)} rcx ${pad(regs.rcx)} rdx ${pad(regs.rdx)}`,
    `  rsi ${pad(regs.rsi)} rdi ${pad(regs.rdi)} rbp ${pad(regs.rbp)} rsp ${pad(regs.rsp)}`,
    `  cr0 ${hex(sregs.cr0)} cr2 ${hex(sregs.cr2)} cr3 ${hex(sregs.cr3)} cr4 ${hex(sregs.cr4)} efer ${hex(sregs.efer)} rflags ${hex(regs.rflags)}`,
    `  ${advice}`,
  ].join('\n')
}

/** Whether the vCPU has an instruction to go on with. */
export const hasInstruction = (vcpu: VcpuFd, memory: GuestMemory): boolean => instructionAt(vcpu, memory).length > 0

/** As hexadecimal bytes. The guest's page tables may be what broke: translation is KVM's, every access is checked. */
function instructionAt(vcpu: VcpuFd, memory: GuestMemory): string[] {
  const address = vcpu.getSregs().cs.base + vcpu.getRegs().rip
  const found: string[] = []
  for (let index = 0n; index < INSTRUCTION_BYTES; index++) {
    const gpa = translate(vcpu, address + index)
    if (gpa === undefined || !memory.contains(gpa, 1)) break
    found.push(memory.bytes(gpa, 1)[0]!.toString(16).padStart(2, '0'))
  }
  return found
}

function translate(vcpu: VcpuFd, address: bigint): number | undefined {
  try {
    const { valid, physicalAddress } = vcpu.translate(address)
    return valid ? Number(physicalAddress) : undefined
  } catch {
    return undefined // KVM_TRANSLATE refuses non-canonical addresses.
  }
}
