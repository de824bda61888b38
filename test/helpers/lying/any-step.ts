/** Steps of a driver that does anything at all, to any device. */
import fc from 'fast-check'
import { HIGH, LOW } from '../guarded-memory.ts'
import { onQueue, QUEUE_SIZE, type Step, startAll } from './subject.ts'

const PIECES = [0, 1, 15, 16, 17, 4096, LOW.size - 1, LOW.size, 0x7fffffff, 0x80000000, 0xffffffff]
const length = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.constantFrom(...PIECES))
const edges = [
  0n,
  0x1000n,
  0x1400n,
  BigInt(LOW.size - 1),
  BigInt(LOW.size),
  0xd000_0000n,
  0xffff_ffffn,
  BigInt(HIGH.gpa) - 1n,
  BigInt(HIGH.gpa + HIGH.size) - 1n,
  (1n << 53n) - 1n,
  1n << 53n,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_ffffn,
]
const gpa = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0x8000, max: LOW.size - 64 }).map(BigInt) },
  { weight: 1, arbitrary: fc.constantFrom(...edges) },
)
const descriptor = fc.record({
  gpa,
  length,
  flags: fc.integer({ min: 0, max: 7 }),
  next: fc.oneof(fc.integer({ min: 0, max: QUEUE_SIZE }), fc.constant(0xffff)),
})
export const queueIndex = fc.integer({ min: 0, max: 6 })
export const slot = fc.integer({ min: 0, max: QUEUE_SIZE - 1 })
export const u16 = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(0x7fff, 0x8000, 0xfff8, 0xffff))

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(queueIndex, slot, descriptor).map(
      ([queue, index, fields]): Step =>
        (driver) =>
          onQueue(queue, driver).writeDescriptor(index, fields),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(queueIndex, slot, slot, fc.array(descriptor, { maxLength: 4 })).map(
      ([queue, index, at, table]): Step =>
        (driver) => {
          const where = 0x7000 + 64 * at
          for (const [i, fields] of table.entries()) onQueue(queue, driver).writeTable(where, i, fields)
          onQueue(queue, driver).writeDescriptor(index, { gpa: where, length: 16 * table.length, flags: 4 })
        },
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(queueIndex, fc.oneof(slot, u16)).map(
      ([queue, head]): Step =>
        (driver) =>
          onQueue(queue, driver).offer(head),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(queueIndex, u16).map(
      ([queue, index]): Step =>
        (driver) =>
          onQueue(queue, driver).writeAvailableIndex(onQueue(queue, driver).availableIndex + index),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(queueIndex, u16).map(
      ([queue, index]): Step =>
        (driver) =>
          onQueue(queue, driver).writeUsedEvent(index),
    ),
  },
  {
    weight: 6,
    arbitrary: queueIndex.map(
      (queue): Step =>
        (driver) =>
          driver.kick(queue),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 0, max: 0x41 }), fc.oneof(u16, fc.nat()), fc.constantFrom(1, 2, 4, 8)).map(
      ([register, value, width]): Step =>
        (driver) =>
          driver.writeAt(4 * register, value, width),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ min: 0, max: 0xff8 }), fc.constantFrom(1, 2, 4, 8)).map(
      ([offset, width]): Step =>
        (driver) =>
          driver.transport.read(offset, new Uint8Array(width)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 0, max: 31 }).map(
      (choice): Step =>
        (_driver, { hostEvent }) =>
          hostEvent(choice),
    ),
  },
  { weight: 2, arbitrary: fc.constant<Step>((driver) => startAll(driver)) },
  { weight: 1, arbitrary: fc.constant<Step>((driver) => driver.write('Status', 0)) },
  { weight: 1, arbitrary: fc.constant<Step>((driver) => driver.transport.drain()) },
  { weight: 2, arbitrary: fc.constant<Step>((driver) => driver.settle(3)) },
)
