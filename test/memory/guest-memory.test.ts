import test from 'ava'
import fc from 'fast-check'
import { GuestAddressError, GuestMemory } from '../../src/memory/guest-memory.ts'

const lowSize = 0x4000
const highBase = 0x1_0000_0000
const createMemory = () =>
  GuestMemory.over([
    { gpa: 0, bytes: new Uint8Array(lowSize) },
    { gpa: highBase, bytes: new Uint8Array(0x1000) },
  ])

test('a view covers exactly the bytes asked for and is live', (t) => {
  const memory = createMemory()
  memory.bytes(0x10, 4).set([1, 2, 3, 4])
  t.is(memory.readU32(0x10), 0x04030201)
  t.is(memory.bytes(0x10, 4).length, 4)
})

test('addresses above 4 GiB are found', (t) => {
  const memory = createMemory()
  memory.writeU64(highBase + 8, 0x1122334455667788n)
  t.is(memory.readU64(highBase + 8), 0x1122334455667788n)
})

test('an access that begins inside a region and ends outside is refused', (t) => {
  const memory = createMemory()
  t.throws(() => memory.bytes(lowSize - 1, 2), { instanceOf: GuestAddressError })
  t.throws(() => memory.readU64(lowSize - 7), { instanceOf: GuestAddressError })
  t.notThrows(() => memory.readU64(lowSize - 8))
})

test('a ring index at an odd address is refused', (t) => {
  const memory = createMemory()
  t.throws(() => memory.loadU16(0x11), { instanceOf: GuestAddressError })
  memory.storeU16(0x12, 0xbeef)
  t.is(memory.loadU16(0x12), 0xbeef)
  t.is(memory.readU16(0x12), 0xbeef)
})

test('whatever address and length a guest names, memory answers or refuses and never reaches outside', (t) => {
  const memory = createMemory()
  const edge = fc.constantFrom(0, lowSize, highBase, highBase + 0x1000, 2 ** 32, 2 ** 53 - 1, 2 ** 63, 2 ** 64)
  const address = fc.oneof(
    fc.tuple(edge, fc.integer({ min: -16, max: 16 })).map(([base, delta]) => base + delta),
    fc.double(),
    fc.maxSafeInteger(),
  )
  fc.assert(
    fc.property(address, address, (gpa, length) => {
      let view: Uint8Array | undefined
      try {
        view = memory.bytes(gpa, length)
      } catch (error) {
        t.true(error instanceof GuestAddressError)
        t.false(memory.contains(gpa, length))
      }
      if (view) {
        t.true(view.length === Math.trunc(length))
        t.true(memory.contains(gpa, length))
      }
    }),
    { numRuns: 2000 },
  )
})
