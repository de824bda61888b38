import test from 'ava'
import fc from 'fast-check'
import { noteTscShift } from '../../src/machine/tsc-shift.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import { TSC_SHIFT_GPA } from '../../src/memory/memory-map.ts'

const NUMBER = TSC_SHIFT_GPA + 8
const IA32_TSC = 0x10

/** Of which nothing is known but its TSC. */
const vcpuAt = (data: bigint) => ({ getMsrs: () => [{ index: IA32_TSC, reserved: 0, data }] })

function asking(shift = 0n) {
  const memory = GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(0x1000) }])
  memory.bytes(TSC_SHIFT_GPA, 8).set(Buffer.from('TSCSHIFT'))
  memory.writeU64(NUMBER, shift)
  return memory
}

test('a guest that asks for it reads how far the TSC ran on', (t) => {
  const memory = asking()
  noteTscShift(memory, vcpuAt(9_000_000_000n), 1_000_000_000n)
  t.is(memory.readU64(NUMBER), 8_000_000_000n)
})

test('whatever lies between, a TSC without the number goes on from where it was, lives before this one included', (t) => {
  const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
  fc.assert(
    fc.property(u64, u64, u64, (now, saved, before) => {
      const memory = asking(before)
      noteTscShift(memory, vcpuAt(now), saved)
      const gone = BigInt.asIntN(64, now - memory.readU64(NUMBER) - (saved - before))
      return gone >= 0n && gone < 2n ** 30n
    }),
  )
  t.pass()
})

test('a TSC that was set has run on by a moment, which is no shift', (t) => {
  const memory = asking()
  noteTscShift(memory, vcpuAt(1_000_050_000n), 1_000_000_000n)
  t.is(memory.readU64(NUMBER), 0n)
})

test('a guest that does not ask for it has nothing written to its memory', (t) => {
  const memory = GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(0x1000) }])
  noteTscShift(memory, vcpuAt(2n ** 40n), 0n)
  t.deepEqual([...memory.bytes(0, 0x1000)].filter(Boolean), [])
})
