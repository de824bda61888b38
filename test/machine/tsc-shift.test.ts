import test from 'ava'
import fc from 'fast-check'
import type { MsrInit } from '../../kvm-bindings/structs/msr.ts'
import { noteTscShift } from '../../src/machine/tsc-shift.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import { TSC_SHIFT_GPA } from '../../src/memory/memory-map.ts'

const NUMBER = TSC_SHIFT_GPA + 8
const IA32_TSC = 0x10
const IA32_TSC_DEADLINE = 0x6e0

/** Whose TSC nobody can set. */
function vcpuAt(data: bigint) {
  const set: MsrInit[] = []
  const getMsrs = () => [{ index: IA32_TSC, reserved: 0, data }]
  return { set, getMsrs, setMsrs: (msrs: readonly MsrInit[]) => set.push(...msrs) }
}
const at = (tsc: bigint, deadline = 0n) => [{ tsc, deadline }]

function asking(shift = 0n) {
  const memory = GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(0x1000) }])
  memory.bytes(TSC_SHIFT_GPA, 8).set(Buffer.from('TSCSHIFT'))
  memory.writeU64(NUMBER, shift)
  return memory
}

test('a guest that asks for it reads how far the TSC ran on', (t) => {
  const memory = asking()
  noteTscShift(memory, [vcpuAt(9_000_000_000n)], at(1_000_000_000n))
  t.is(memory.readU64(NUMBER), 8_000_000_000n)
})

test('whatever lies between, a TSC without the number goes on from where it was, lives before this one included', (t) => {
  const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
  fc.assert(
    fc.property(u64, u64, u64, (now, saved, before) => {
      const memory = asking(before)
      noteTscShift(memory, [vcpuAt(now)], at(saved))
      const gone = BigInt.asIntN(64, now - memory.readU64(NUMBER) - (saved - before))
      return gone >= 0n && gone < 2n ** 30n
    }),
  )
  t.pass()
})

test('a TSC that was set has run on by a moment, which is no shift', (t) => {
  const memory = asking()
  noteTscShift(memory, [vcpuAt(1_000_050_000n)], at(1_000_000_000n))
  t.is(memory.readU64(NUMBER), 0n)
})

test('a guest that does not ask for it has nothing written to its memory', (t) => {
  const memory = GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(0x1000) }])
  noteTscShift(memory, [vcpuAt(2n ** 40n)], at(0n))
  t.deepEqual([...memory.bytes(0, 0x1000)].filter(Boolean), [])
})

test('a timer that was to come in a while comes in as long a while', (t) => {
  const [first, second] = [vcpuAt(9_000_000_000n), vcpuAt(9_000_000_000n)]
  noteTscShift(asking(), [first, second], [...at(1_000_000_000n, 1_500_000_000n), ...at(1_000_000_000n)])
  t.deepEqual(first.set, [{ index: IA32_TSC_DEADLINE, data: 9_500_000_000n }])
  t.deepEqual(second.set, [])
})
