/** Writes that KVM keeps back in a ring instead of leaving the guest for each (api.rst KVM_REGISTER_COALESCED_MMIO). */
import { bytes, struct, u32, u64 } from '../layout.ts'

/** `pio` 1: `addr` is a port (KVM_CAP_COALESCED_PIO). */
export const coalescedMmioZone = struct('kvm_coalesced_mmio_zone', { size: 16 }, { addr: u64, size: u32, pio: u32 })

export const coalescedMmio = struct(
  'kvm_coalesced_mmio',
  { size: 24 },
  { phys_addr: u64, len: u32, pio: u32, data: bytes(8) },
)

/** Followed by the entries. */
export const coalescedMmioRing = struct('kvm_coalesced_mmio_ring', { size: 8 }, { first: u32, last: u32 })
