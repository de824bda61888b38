/** Signals blocked while a vCPU thread is inside KVM_RUN (api.rst KVM_SET_SIGNAL_MASK). */
import { struct, u32 } from '../layout.ts'

/** `u8 sigset[len]` follows; the kernel's set has 8 bytes. */
export const signalMaskHeader = struct('kvm_signal_mask', { size: 4 }, { len: u32 })
