/** Exceptions, interrupts, NMIs and SMIs that are pending or being delivered (api.rst KVM_GET_VCPU_EVENTS). */
import { bytes, type Decoded, struct, u8, u32, u64 } from '../layout.ts'

const exception = struct(
  'kvm_vcpu_events.exception',
  { size: 8 },
  { injected: u8, nr: u8, has_error_code: u8, pending: u8, error_code: u32 },
)
const interrupt = struct('kvm_vcpu_events.interrupt', { size: 4 }, { injected: u8, nr: u8, soft: u8, shadow: u8 })
const nmi = struct('kvm_vcpu_events.nmi', { size: 4 }, { injected: u8, pending: u8, masked: u8, pad: u8 })
const smi = struct('kvm_vcpu_events.smi', { size: 4 }, { smm: u8, pending: u8, smm_inside_nmi: u8, latched_init: u8 })
const tripleFault = struct('kvm_vcpu_events.triple_fault', { size: 1 }, { pending: u8 })

export const vcpuEvents = struct(
  'kvm_vcpu_events',
  { size: 64 },
  {
    exception,
    interrupt,
    nmi,
    sipi_vector: u32,
    flags: u32,
    smi,
    triple_fault: tripleFault,
    reserved: bytes(26),
    exception_has_payload: u8,
    exception_payload: u64,
  },
)
export type VcpuEvents = Decoded<typeof vcpuEvents>

/** api.rst KVM_GET_MP_STATE: whether the vCPU runs, is halted or waits for its start-up interrupt. */
export const mpState = struct('kvm_mp_state', { size: 4 }, { mp_state: u32 })
