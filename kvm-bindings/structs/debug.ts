/** Debug registers and guest debugging (api.rst KVM_GET_DEBUGREGS, KVM_SET_GUEST_DEBUG). */
import { array, type Decoded, type Encodable, struct, u32, u64 } from '../layout.ts'

export const debugregs = struct(
  'kvm_debugregs',
  { size: 128 },
  { db: array(u64, 4), dr6: u64, dr7: u64, flags: u64, reserved: array(u64, 9) },
)
export type Debugregs = Decoded<typeof debugregs>

export const guestDebugArch = struct('kvm_guest_debug_arch', { size: 64 }, { debugreg: array(u64, 8) })

export const guestDebug = struct('kvm_guest_debug', { size: 72 }, { control: u32, pad: u32, arch: guestDebugArch })
export type GuestDebug = Encodable<typeof guestDebug>

/** What a KVM_EXIT_DEBUG carries. */
export const debugExitArch = struct(
  'kvm_debug_exit_arch',
  { size: 32 },
  { exception: u32, pad: u32, pc: u64, dr6: u64, dr7: u64 },
)
