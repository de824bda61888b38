/** Interrupts in and notifications out: lines, MSIs, irqfd and ioeventfd (api.rst KVM_IRQFD, KVM_IOEVENTFD). */
import { at, bytes, s32, struct, u32, u64 } from '../layout.ts'

/** `irq` on the way in, `status` on the way out of KVM_IRQ_LINE_STATUS. */
export const irqLevel = struct('kvm_irq_level', { size: 8 }, { irq: u32, status: at(0, s32), level: u32 })

export const msi = struct(
  'kvm_msi',
  { size: 32 },
  { address_lo: u32, address_hi: u32, data: u32, flags: u32, devid: u32, pad: bytes(12) },
)

export const irqfd = struct(
  'kvm_irqfd',
  { size: 32 },
  { fd: u32, gsi: u32, flags: u32, resamplefd: u32, pad: bytes(16) },
)

export const ioeventfd = struct(
  'kvm_ioeventfd',
  { size: 64 },
  { datamatch: u64, addr: u64, len: u32, fd: s32, flags: u32, pad: bytes(36) },
)
