import fc from 'fast-check'
import { LOW } from '../guarded-memory.ts'
import { slot } from './any-step.ts'
import { postFrom, type Step, startIfBroken } from './subject.ts'

const [INFLATE, DEFLATE, STATS, FOURTH, FIFTH] = [0, 1, 2, 3, 4] as const
const frame = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(0xfffff, 0x100000, 0x80000000, 0xffffffff))

/** Lists of pages, most of which there are. */
const list: fc.Arbitrary<Step> = fc
  .record({
    queue: fc.constantFrom(INFLATE, INFLATE, DEFLATE),
    frames: fc.array(frame, { minLength: 1, maxLength: 40 }),
    rest: fc.constantFrom(0, 0, 1, 3),
    slot,
  })
  .map(({ queue, frames, rest, slot }): Step => {
    return (driver) => {
      startIfBroken(driver)
      const at = 0x8000 + slot * 0x800
      for (const [i, number] of frames.entries()) driver.memory.writeU32(at + 4 * i, number)
      postFrom(slot, queue, driver, [{ gpa: at, length: 4 * frames.length + rest, flags: 0 }])
    }
  })

const statistics: fc.Arbitrary<Step> = fc
  .record({
    tags: fc.array(fc.constantFrom(0, 4, 5, 9, 0xffff), { maxLength: 6 }),
    rest: fc.constantFrom(0, 1, 9),
    slot,
  })
  .map(({ tags, rest, slot }): Step => {
    return (driver) => {
      startIfBroken(driver)
      const at = 0x8000 + slot * 0x800
      for (const [i, tag] of tags.entries()) driver.memory.writeU16(at + 10 * i, tag)
      postFrom(slot, STATS, driver, [{ gpa: at, length: Math.max(1, 10 * tags.length + rest), flags: 0 }])
    }
  })

/** Free pages, or what is none, and a pattern in them now and then. */
const report: fc.Arbitrary<Step> = fc
  .record({
    queue: fc.constantFrom(FOURTH, FIFTH),
    pages: fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(1, 4096, 8192, LOW.size)), {
      minLength: 1,
      maxLength: 5,
    }),
    poison: fc.constantFrom(0, 0, 0, 0xaa),
    slot,
  })
  .map(({ queue, pages, poison, slot }): Step => {
    return (driver) => {
      startIfBroken(driver)
      driver.writeAt(0x100 + 12, poison, 4)
      const parts = pages.map(([page, length]) => ({
        gpa: page * 4096,
        length: Math.min(length, LOW.size - page * 4096),
      }))
      postFrom(
        slot,
        queue,
        driver,
        parts.map((part) => ({ ...part, flags: 2 })),
      )
    }
  })

export const balloonStep: fc.Arbitrary<Step> = fc.oneof(list, statistics, report)
