import test from 'ava'
import fc from 'fast-check'
import { GuestAddressError, GuestMemory } from '../../src/memory/guest-memory.ts'
import { GIB, MIB, MMIO_HOLE_END, MMIO_HOLE_START } from '../../src/memory/memory-map.ts'
import { allocateRam } from '../../src/memory/ram.ts'

/** Real mappings, of which only the pages written here cost memory; notes the views that were opened. */
function largeMemory(size: number) {
  const ram = allocateRam(size)
  const opened: number[] = []
  const memory = new GuestMemory(
    ram.memory.regions.map((region) => ({
      gpa: region.gpa,
      size: region.size,
      view(offset, length) {
        opened.push(length)
        return region.view(offset, length)
      },
    })),
  )
  /** The same bytes by a view of exactly these, past all windows. */
  const exactly = (gpa: number, length: number) => {
    const region = ram.memory.regions.find((each) => gpa >= each.gpa && gpa < each.gpa + each.size)!
    return region.view(gpa - region.gpa, length)
  }
  return { memory, opened, exactly, close: () => ram.close() }
}

const SIZE = 9 * GIB
const END = MMIO_HOLE_END + SIZE - MMIO_HOLE_START
const BORDERS = [8 * MIB, 512 * MIB, GIB, 1.5 * GIB, 2 * GIB, MMIO_HOLE_START, 5 * GIB, 6 * GIB, 8 * GIB, END]

test('any range inside a region is read and written where it lies, across the borders of windows too', (t) => {
  const { memory, opened, exactly, close } = largeMemory(SIZE)
  const address = fc.oneof(
    fc
      .tuple(fc.constantFrom(...BORDERS), fc.integer({ min: -5000, max: 5000 }))
      .map(([border, delta]) => border + delta),
    fc.integer({ min: 0, max: END }),
  )
  let inside = 0
  fc.assert(
    fc.property(address, fc.uint8Array({ minLength: 1, maxLength: 6000 }), (gpa, data) => {
      const end = gpa + data.length
      const isRam = end <= MMIO_HOLE_START || (gpa >= MMIO_HOLE_END && end <= END)
      t.is(memory.contains(gpa, data.length), isRam)
      if (!isRam) {
        t.throws(() => memory.bytes(gpa, data.length), { instanceOf: GuestAddressError })
        return
      }
      inside++
      memory.bytes(gpa, data.length).set(data)
      t.deepEqual(new Uint8Array(exactly(gpa, data.length)), data)
      exactly(gpa, 1)[0] = data[0]! ^ 0xff
      t.is(memory.bytes(gpa, data.length)[0], data[0]! ^ 0xff)
      if (data.length >= 8) {
        memory.writeU64(gpa, 0x0123_4567_89ab_cdefn)
        t.is(Buffer.from(exactly(gpa, 8)).readBigUInt64LE(), 0x0123_4567_89ab_cdefn)
      }
      if (gpa % 2 === 0 && data.length >= 2) {
        memory.storeU16(gpa, 0xbeef)
        t.is(Buffer.from(exactly(gpa, 2)).readUInt16LE(), 0xbeef)
      }
    }),
    { numRuns: 500 },
  )
  t.true(inside > 50)
  t.true(opened.length <= 2 * 3 + 2 * (SIZE / GIB), `${opened.length} views were opened`)
  close()
})

test('a descriptor of gigabytes has a window, whatever it crosses, and more than 4 GiB are refused', (t) => {
  const { memory, opened, exactly, close } = largeMemory(10 * GIB)
  for (const [gpa, length] of [
    [0, 3 * GIB],
    [511 * MIB, GIB],
    [GIB - 1, 2],
    [1001, 2 * GIB + 7],
    [MMIO_HOLE_END + 1, 2 ** 32 - 1],
    [MMIO_HOLE_END + 4096, 2 ** 32],
  ] as const) {
    const bytes = memory.bytes(gpa, length)
    t.is(bytes.length, length)
    bytes[length - 1] = 0x5a
    t.is(exactly(gpa + length - 1, 1)[0], 0x5a)
    bytes[0] = 0xa5
    t.is(exactly(gpa, 1)[0], 0xa5)
  }
  t.throws(() => memory.bytes(MMIO_HOLE_END, 2 ** 32 + 1), { instanceOf: GuestAddressError })
  t.is(memory.window(MMIO_HOLE_END, 2 ** 32 + 1), undefined)
  t.true(opened.every((length) => length <= 4 * GIB))
  close()
})

test('views stay few, however often and wherever the guest makes the host look', (t) => {
  const { memory, opened, close } = largeMemory(SIZE)
  for (let round = 0; round < 3; round++) {
    for (let gpa = 0; gpa < END; gpa += 64 * MIB) {
      memory.window(gpa, 2)
      memory.window(gpa - 1, 2)
    }
  }
  t.true(opened.length <= 2 * 3 + 2 * (SIZE / GIB), `${opened.length} views were opened`)
  close()
})

test('a small guest that is looked at in few places never has all of its memory in view', (t) => {
  const { memory, opened, close } = largeMemory(128 * MIB)
  for (const gpa of [0x6000, 64 * MIB, 128 * MIB - 8]) memory.readU64(gpa)
  t.deepEqual(opened, [8 * MIB, 8 * MIB, 8 * MIB])
  close()
})

test('an empty range at the very end of a region is one', (t) => {
  const { memory, close } = largeMemory(SIZE)
  for (const gpa of [MMIO_HOLE_START, END]) t.is(memory.bytes(gpa, 0).length, 0)
  close()
})
