/**
 * How far the TSC ran on while a guest was in a snapshot. Hardware KVM sets a TSC back to where it was; a software KVM leaves
 * it that of the host, and a guest that counts its time by it would find hours gone, which Linux makes up second by second.
 * One that can take them off has "TSCSHIFT" at TSC_SHIFT_GPA, and reads the number behind it, in cycles. Ours does
 * (guest-kernel/linux/edits/correctness.js).
 */
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { TSC_SHIFT_GPA } from '../memory/memory-map.ts'
import { IA32_TSC } from './saved-msrs.ts'

const NUMBER = TSC_SHIFT_GPA + 8
const ASKED = Buffer.from('TSCSHIFT').readBigUInt64LE()
/** A TSC that was set has gone on by the time it is asked for: less than a second at any rate. */
const SET_MAX = 2n ** 30n

/** Before a restored guest runs. @param saved its TSC at that moment */
export function noteTscShift(memory: GuestMemory, vcpu: Pick<VcpuFd, 'getMsrs'>, saved: bigint | undefined): void {
  if (memory.readU64(TSC_SHIFT_GPA) !== ASKED) return
  const now = vcpu.getMsrs([IA32_TSC])[0]?.data
  if (now === undefined || saved === undefined) return
  const ahead = BigInt.asIntN(64, now - saved)
  if (ahead >= 0n && ahead < SET_MAX) return
  memory.writeU64(NUMBER, BigInt.asUintN(64, memory.readU64(NUMBER) + ahead))
}
