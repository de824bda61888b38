import fc from 'fast-check'
import { queueIndex, slot } from './any-step.ts'
import { postFrom, type Step, startIfBroken } from './subject.ts'

/** Buffers as a driver should give them, with anything in them, for devices that take any. */
const post: fc.Arbitrary<Step> = fc
  .record({
    queue: queueIndex,
    slot,
    readable: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 2 }),
    writable: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 2 }),
  })
  .map(({ queue, slot, readable, writable }): Step => {
    return (driver) => {
      startIfBroken(driver)
      const parts = [
        ...readable.map((length) => ({ length, flags: 0 })),
        ...writable.map((length) => ({ length, flags: 2 })),
      ].map((part, i) => ({ ...part, gpa: 0x8000 + slot * 0x800 + i * 0x200 }))
      if (parts.length > 0) postFrom(slot, queue % driver.queues.length, driver, parts)
    }
  })

/** The host's side comes up as often as the driver. */
export const hostStep: fc.Arbitrary<Step> = fc.integer({ min: 0, max: 31 }).map(
  (choice): Step =>
    (_driver, { hostEvent }) =>
      hostEvent(choice),
)

export const chainStep: fc.Arbitrary<Step> = fc.oneof({ weight: 2, arbitrary: post }, hostStep)
