/** Guest memory for tests: regions with guard bytes before, between and after, so that a stray write shows. */
import { type Gpa, GuestMemory } from '../../src/memory/guest-memory.ts'

const GUARD_BYTES = 4096
const GUARD = 0xa5

export interface GuardedMemory {
  readonly memory: GuestMemory
  /** The first region. */
  readonly bytes: Uint8Array
  /** Offsets, within the whole host buffer, of guard bytes that no longer hold what they held. */
  strayWrites(): number[]
}

export interface RegionPlan {
  readonly gpa: Gpa
  readonly size: number
}

/** One region low, one above 4 GiB, as on a machine with a hole for devices. */
export const LOW: RegionPlan = { gpa: 0, size: 0x10000 }
export const HIGH: RegionPlan = { gpa: 0x1_0000_0000, size: 0x4000 }

export const createGuardedMemory = (plan: readonly RegionPlan[] = [LOW, HIGH]): GuardedMemory => {
  const total = plan.reduce((sum, { size }) => sum + size + GUARD_BYTES, GUARD_BYTES)
  const host = new Uint8Array(total).fill(GUARD)
  let at = GUARD_BYTES
  const regions = plan.map(({ gpa, size }) => {
    const bytes = host.subarray(at, at + size).fill(0)
    at += size + GUARD_BYTES
    return { gpa, bytes }
  })
  const guards = [0, ...regions.map(({ bytes }) => bytes.byteOffset + bytes.length)]
  const intact = Buffer.alloc(GUARD_BYTES, GUARD)
  return {
    memory: GuestMemory.over(regions),
    bytes: regions[0]!.bytes,
    strayWrites: () =>
      guards.flatMap((start) => {
        const guard = host.subarray(start, start + GUARD_BYTES)
        if (intact.equals(guard)) return []
        return [...guard.entries()].filter(([, byte]) => byte !== GUARD).map(([offset]) => start + offset)
      }),
  }
}
