/** The rest of what a VM or vCPU takes and gives: clock, capabilities to enable, address translation. */
import { array, bytes, type Decoded, struct, u8, u32, u64 } from '../layout.ts'

/** api.rst KVM_GET_CLOCK */
export const clockData = struct(
  'kvm_clock_data',
  { size: 48 },
  { clock: u64, flags: u32, pad0: u32, realtime: u64, host_tsc: u64, pad: array(u32, 4) },
)
export type ClockData = Decoded<typeof clockData>

/** api.rst KVM_ENABLE_CAP */
export const enableCap = struct(
  'kvm_enable_cap',
  { size: 104 },
  { cap: u32, flags: u32, args: array(u64, 4), pad: bytes(64) },
)

/** api.rst KVM_TRANSLATE */
export const translation = struct(
  'kvm_translation',
  { size: 24 },
  { linear_address: u64, physical_address: u64, valid: u8, writeable: u8, usermode: u8, pad: bytes(5) },
)
