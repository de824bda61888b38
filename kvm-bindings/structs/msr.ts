/** Model-specific registers (api.rst KVM_GET_MSRS, KVM_GET_MSR_INDEX_LIST). */
import { flexibleArray } from '../flexible-array.ts'
import { type Decoded, type Encodable, struct, u32, u64 } from '../layout.ts'

export const msrEntry = struct('kvm_msr_entry', { size: 16 }, { index: u32, reserved: u32, data: u64 })
export type MsrEntry = Decoded<typeof msrEntry>
export type MsrInit = Encodable<typeof msrEntry>

export const msrsHeader = struct('kvm_msrs', { size: 8 }, { nmsrs: u32, pad: u32 })
export const msrs = flexibleArray(msrsHeader, 'nmsrs', msrEntry)

export const msrListHeader = struct('kvm_msr_list', { size: 4 }, { nmsrs: u32 })
export const msrList = flexibleArray(msrListHeader, 'nmsrs', u32)
