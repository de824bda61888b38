/** Guest memory slots and their dirty logs (api.rst KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG). */
import { at, type Encodable, struct, u32, u64 } from '../layout.ts'

export const memoryRegion = struct(
  'kvm_userspace_memory_region',
  { size: 32 },
  { slot: u32, flags: u32, guest_phys_addr: u64, memory_size: u64, userspace_addr: u64 },
)
export type MemoryRegion = Encodable<typeof memoryRegion>

/** `dirty_bitmap` is a pointer in an anonymous union that widens it to 64 bits. */
export const dirtyLog = struct(
  'kvm_dirty_log',
  { size: 16 },
  { slot: u32, padding1: u32, dirty_bitmap: u64, padding2: at(8, u64) },
)
