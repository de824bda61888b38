/**
 * How far the TSC ran on while a guest was in a snapshot. Hardware KVM sets a TSC back to where it was; a software KVM leaves
 * it that of the host, and a guest that counts its time by it would find hours gone, which Linux makes up second by second.
 * One that can take them off has "TSCSHIFT" at TSC_SHIFT_GPA, and reads the number behind it, in cycles. Ours does
 * (guest-kernel/linux/edits/correctness.js). Its timers are set off by as much.
 */
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { TSC_SHIFT_GPA } from '../memory/memory-map.ts'
import { IA32_TSC, IA32_TSC_DEADLINE } from './saved-msrs.ts'
import type { SavedTsc } from './saved-vcpu.ts'

const NUMBER = TSC_SHIFT_GPA + 8
const ASKED = Buffer.from('TSCSHIFT').readBigUInt64LE()
/** A TSC that was set has gone on by the time it is asked for: less than a second at any rate. */
const SET_MAX = 2n ** 30n

/** Before a restored guest runs. @param saved of each vCPU, at that moment */
export function noteTscShift(
  memory: GuestMemory,
  vcpus: readonly Pick<VcpuFd, 'getMsrs' | 'setMsrs'>[],
  saved: readonly SavedTsc[],
): void {
  if (memory.readU64(TSC_SHIFT_GPA) !== ASKED) return
  const [before, now] = [saved[0]?.tsc, vcpus[0]?.getMsrs([IA32_TSC])[0]?.data]
  if (now === undefined || before === undefined) return
  const ahead = BigInt.asIntN(64, now - before)
  if (ahead >= 0n && ahead < SET_MAX) return
  const shifted = (value: bigint) => BigInt.asUintN(64, value + ahead)
  memory.writeU64(NUMBER, shifted(memory.readU64(NUMBER)))
  // A timer that was to come in a second comes in a second.
  for (const [index, { deadline }] of saved.entries()) {
    if (deadline) vcpus[index]?.setMsrs([{ index: IA32_TSC_DEADLINE, data: shifted(deadline) }])
  }
}
