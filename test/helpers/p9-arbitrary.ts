/** Messages that are nearly right: wholly random ones never get as far as a file. */
import fc from 'fast-check'
import { Message } from './p9-message.ts'

/** Names that must lead nowhere, and some that do. */
export const NAMES: readonly (string | Uint8Array)[] = [
  'file',
  'dir',
  'link',
  'escape',
  'up',
  'loop',
  'pipe',
  'new',
  '.',
  '..',
  '',
  '/',
  '../outside',
  '/etc/passwd',
  'dir/file',
  'a\0b',
  'x'.repeat(255),
  'x'.repeat(256),
  Uint8Array.of(0xff, 0xfe),
]

type Field = (message: Message) => Message

const u8 = fc.constantFrom(0, 1, 2, 255).map(
  (value): Field =>
    (message) =>
      message.u8(value),
)
const fid = fc
  .oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 4 }) },
    { weight: 1, arbitrary: fc.constantFrom(99, 0xffffffff) },
  )
  .map(
    (value): Field =>
      (message) =>
        message.u32(value),
  )
const u32 = fc
  .constantFrom(
    0,
    0,
    1,
    2,
    3,
    8,
    0x40,
    0x200,
    0o101,
    0o1002,
    0o644,
    0o106777,
    0o200000,
    4096,
    0xffff,
    0x7fffffff,
    0xffffffff,
  )
  .map(
    (value): Field =>
      (message) =>
        message.u32(value),
  )
const u64 = fc
  .constantFrom(0n, 0n, 1n, 4096n, (1n << 31n) - 1n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n)
  .map(
    (value): Field =>
      (message) =>
        message.u64(value),
  )
const name = fc.constantFrom(...NAMES).map(
  (value): Field =>
    (message) =>
      message.text(value),
)
const walk = fc.array(fc.constantFrom(...NAMES), { maxLength: 4 }).map(
  (names): Field =>
    (message) =>
      names.reduce<Message>((all, one) => all.text(one), message.u16(names.length)),
)
const data = fc.uint8Array({ maxLength: 40 }).map(
  (bytes): Field =>
    (message) =>
      message.u32(bytes.length).bytes(bytes),
)
const attached: Field = (message) => message.u32(0xffffffff).text('').text('').u32(0)
const version: Field = (message) => message.u32(8192).text('9P2000.L')

const CALLS: readonly (readonly [type: number, ...fields: fc.Arbitrary<Field>[]])[] = [
  [100, fc.constant(version)],
  [104, fid, fc.constant(attached)],
  [104, fid, fid, name, name, u32],
  [110, fid, fid, walk],
  [110, fid, fid, walk],
  [12, fid, u32],
  [14, fid, name, u32, u32, u32],
  [16, fid, name, name, u32],
  [18, fid, name, u32, u32, u32, u32],
  [20, fid, fid, name],
  [22, fid],
  [24, fid, u64],
  [26, fid, u32, u32, u32, u32, u64, u64, u64, u64, u64],
  [30, fid, fid, name],
  [40, fid, u64, u32],
  [50, fid, u32],
  [52, fid, u8, u32, u64, u64, u32, name],
  [54, fid, u8, u64, u64, u32, name],
  [70, fid, fid, name],
  [72, fid, name, u32, u32],
  [74, fid, name, fid, name],
  [76, fid, name, u32],
  [108, u8, u8],
  [116, fid, u64, u32],
  [118, fid, u64, data],
  [120, fid],
  [122, fid],
  [8, fid],
  [255, u32],
]

export interface Call {
  readonly type: number
  readonly fields: Message
}

export const call: fc.Arbitrary<Call> = fc.oneof(
  ...CALLS.map(([type, ...fields]) =>
    fc.tuple(...fields).map((all) => ({ type, fields: all.reduce((message, field) => field(message), new Message()) })),
  ),
)

/** One of those with its header, cut short, drawn out or lying about its size now and then. */
export const frame: fc.Arbitrary<Uint8Array> = fc
  .record({
    call,
    tag: fc.constantFrom(0, 1, 2, 0xffff),
    cut: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -8, max: 8 }) }),
    lie: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.constantFrom(-7, -1, 1, 1000, 0x7fffffff) },
    ),
  })
  .map(({ call: { type, fields }, tag, cut, lie }) => {
    const whole = fields.frame(type, tag)
    const bytes = new Uint8Array(Math.max(1, whole.length + cut))
    bytes.set(whole.subarray(0, bytes.length))
    const size = Math.max(0, bytes.length + lie)
    for (let at = 0; at < Math.min(4, bytes.length); at++) bytes[at] = Math.floor(size / 256 ** at) & 0xff
    return bytes
  })
