import test from 'ava'
import fc from 'fast-check'
import { flexibleArray } from '../../kvm-bindings/flexible-array.ts'
import { array, at, bytes, s32, s64, struct, u8, u16, u32, u64, union } from '../../kvm-bindings/layout.ts'

const pair = struct('pair', { size: 8 }, { tag: u8, value: u32 })
const sample = struct(
  'sample',
  { size: 56 },
  { a: u8, b: u16, c: u32, d: u64, e: s32, f: s64, name: bytes(5), pairs: array(pair, 2) },
)

const samples = fc.record({
  a: fc.integer({ min: 0, max: 0xff }),
  b: fc.integer({ min: 0, max: 0xffff }),
  c: fc.integer({ min: 0, max: 0xffff_ffff }),
  d: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  e: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  f: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  name: fc.uint8Array({ minLength: 5, maxLength: 5 }),
  pairs: fc.array(
    fc.record({ tag: fc.integer({ min: 0, max: 0xff }), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
    { minLength: 2, maxLength: 2 },
  ),
})

test('fields are aligned as C aligns them', (t) => {
  t.deepEqual({ ...sample.offsetOf }, { a: 0, b: 2, c: 4, d: 8, e: 16, f: 24, name: 32, pairs: 40 })
  t.is(struct('tail', { size: 16 }, { a: u64, b: u8 }).size, 16, 'rounded up to the alignment')
})

test('a declaration that does not add up to the size of C is refused on load', (t) => {
  t.throws(() => struct('wrong', { size: 12 }, { a: u8, b: u64 }), { message: /wrong.*16 bytes, C has 12/ })
})

test('what is encoded is decoded again', (t) => {
  fc.assert(fc.property(samples, (value) => void t.deepEqual(sample.decode(sample.encode(value)), value)))
})

test('a live view reads and writes the bytes themselves', (t) => {
  fc.assert(
    fc.property(samples, fc.nat({ max: 16 }), (value, offset) => {
      const memory = new Uint8Array(sample.size + 16)
      Object.assign(sample.view(memory, offset), value)
      t.deepEqual(sample.decode(memory, offset), value)
      const view = sample.view(memory, offset)
      t.is(view.d, value.d)
      t.is(view.pairs[1]?.value, value.pairs[1]?.value)
      view.name[0] = 0xee
      t.is(memory[offset + sample.offsetOf.name], 0xee)
    }),
  )
})

test('integers are little-endian', (t) => {
  t.deepEqual([...pair.encode({ tag: 1, value: 0x12345678 })], [1, 0, 0, 0, 0x78, 0x56, 0x34, 0x12])
})

test('a value that would lose bits is refused, by field name', (t) => {
  const fits = { tag: 1, value: 1 }
  for (const value of [-1, 2 ** 32, 1.5, Number.NaN]) {
    t.throws(() => pair.encode({ ...fits, value }), { instanceOf: RangeError, message: /pair\.value: .* is not a u32/ })
  }
  const memory = new Uint8Array(pair.size)
  t.throws(() => Object.assign(pair.view(memory), { tag: 256 }), { message: /pair\.tag/ })
  t.throws(() => pair.encode({ ...fits, value: 1n as unknown as number }), { message: /pair\.value/ })
  t.throws(() => pair.encode({ ...fits, extra: 1 } as typeof fits), { message: /pair\.extra: there is no such field/ })
})

test('a byte array takes exactly its length, another array at most', (t) => {
  const named = struct('named', { size: 12 }, { name: bytes(4), numbers: array(u32, 2) })
  const name = Uint8Array.of(1, 2, 3, 4)
  for (const length of [3, 5]) {
    t.throws(() => named.encode({ name: new Uint8Array(length), numbers: [] }), { message: /named\.name/ })
  }
  t.throws(() => named.encode({ name, numbers: [1, 2, 3] }), { message: /named\.numbers/ })
  t.deepEqual([...named.encode({ name, numbers: [9] })], [1, 2, 3, 4, 9, 0, 0, 0, 0, 0, 0, 0])
})

test('padding and overlapping fields may be left out, and are zero', (t) => {
  const padded = struct('padded', { size: 16 }, { a: u32, pad: u32, b: u64, low: at(8, u32) })
  t.deepEqual([...padded.encode({ a: 1, b: 2n })], [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
  t.is(padded.decode(padded.encode({ a: 1, b: 2n })).low, 2)
})

test('all members of a union lie at its start', (t) => {
  const either = union('either', { size: 8 }, { word: u64, parts: pair })
  t.deepEqual({ ...either.offsetOf }, { word: 0, parts: 0 })
  t.is(either.view(either.encode({ parts: { tag: 7, value: 1 } })).word, 0x1_0000_0007n)
})

test('entries follow their header and are counted in it', (t) => {
  const header = struct('header', { size: 8 }, { count: u32, pad: u32 })
  const list = flexibleArray(header, 'count', pair)
  fc.assert(
    fc.property(fc.array(fc.record({ tag: fc.nat({ max: 255 }), value: fc.nat() })), (entries) => {
      const encoded = list.encode(entries)
      t.is(encoded.length, header.size + entries.length * pair.size)
      t.is(list.count(encoded), entries.length)
      t.deepEqual(list.decode(encoded), entries)
    }),
  )
})

test('a count larger than the bytes that are there reads no further than they go', (t) => {
  const list = flexibleArray(struct('header', { size: 4 }, { count: u32 }), 'count', pair)
  const encoded = list.encode([{ tag: 1, value: 2 }])
  encoded.fill(0xff, 0, 4)
  t.deepEqual(list.decode(encoded), [{ tag: 1, value: 2 }])
})
