/** Floating-point and extended state (api.rst KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_XCRS). */
import { array, bytes, type Decoded, struct, u8, u16, u32, u64 } from '../layout.ts'

export const fpu = struct(
  'kvm_fpu',
  { size: 416 },
  {
    fpr: array(bytes(16), 8),
    fcw: u16,
    fsw: u16,
    ftwx: u8,
    pad1: u8,
    last_opcode: u16,
    last_ip: u64,
    last_dp: u64,
    xmm: array(bytes(16), 16),
    mxcsr: u32,
    pad2: u32,
  },
)
export type Fpu = Decoded<typeof fpu>

/** Opaque here: its areas lie where CPUID leaf 0xd says. More bytes follow when KVM_CAP_XSAVE2 says so. */
export const xsave = struct('kvm_xsave', { size: 4096 }, { region: array(u32, 1024) })

export const xcr = struct('kvm_xcr', { size: 16 }, { xcr: u32, reserved: u32, value: u64 })
export type Xcr = Decoded<typeof xcr>

export const xcrs = struct(
  'kvm_xcrs',
  { size: 392 },
  { nr_xcrs: u32, flags: u32, xcrs: array(xcr, 16), padding: array(u64, 16) },
)
export type Xcrs = Decoded<typeof xcrs>
