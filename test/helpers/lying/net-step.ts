import fc from 'fast-check'
import { frame, join, MAC, netHeader, RECEIVEQ, TRANSMITQ } from '../net.ts'
import { slot, u16 } from './any-step.ts'
import { postFrom, type Step, startIfBroken } from './subject.ts'

/** A frame that is nearly right, or buffers for one. */
export const netStep: fc.Arbitrary<Step> = fc
  .record({
    queue: fc.constantFrom(RECEIVEQ, TRANSMITQ),
    slot,
    cuts: fc.array(fc.constantFrom(1, 2, 11, 12, 14, 26, 100, 2000), { minLength: 1, maxLength: 5 }),
    header: fc.record({
      flags: fc.constantFrom(0, 1, 1, 2, 0xff),
      gsoType: fc.constantFrom(0, 0, 1, 4, 5, 0x81, 0x80, 3),
      gsoSize: fc.constantFrom(0, 1, 1448, 0xffff),
      headerLength: u16,
      checksumStart: fc.constantFrom(0, 13, 14, 34, 0xffff),
      checksumOffset: fc.constantFrom(0, 6, 16, 60, 0xffff),
      buffers: u16,
    }),
    source: fc.constantFrom(MAC, MAC, MAC, new Uint8Array(6)),
    choice: fc.integer({ min: 0, max: 16 }),
  })
  .map(({ queue, slot, cuts, header, source, choice }): Step => {
    return (driver, { hostEvent }) => {
      startIfBroken(driver)
      const at = 0x8000 + slot * 0x800
      if (queue === TRANSMITQ) driver.memory.bytes(at, 26).set(join(netHeader(header), frame(14, 0, source)))
      let gpa = at
      const parts = cuts.map((length) => {
        gpa += length
        return { gpa: gpa - length, length, flags: queue === RECEIVEQ ? 2 : 0 }
      })
      postFrom(slot, queue, driver, parts)
      hostEvent(choice)
    }
  })
