/** General-purpose registers (api.rst KVM_GET_REGS). */
import { type Decoded, struct, u64 } from '../layout.ts'

export const regs = struct(
  'kvm_regs',
  { size: 144 },
  {
    rax: u64,
    rbx: u64,
    rcx: u64,
    rdx: u64,
    rsi: u64,
    rdi: u64,
    rsp: u64,
    rbp: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    rip: u64,
    rflags: u64,
  },
)
export type Regs = Decoded<typeof regs>
