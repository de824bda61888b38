import fc from 'fast-check'
import { frame } from '../p9-arbitrary.ts'
import { slot } from './any-step.ts'
import { postFrom, type Step, startIfBroken } from './subject.ts'

/** A message that is nearly right, with room for its answer or hardly any. */
export const p9Step: fc.Arbitrary<Step> = fc
  .record({ bytes: frame, slot, room: fc.constantFrom(200, 200, 200, 11, 10), session: fc.constantFrom(true, false) })
  .map(({ bytes, slot, room, session }): Step => {
    return (driver) => {
      startIfBroken(driver)
      const at = 0x8000 + slot * 0x800
      if (session) for (const opening of OPENING) send(driver, opening, at, slot, 200)
      send(driver, bytes, at, slot, room)
    }
  })

const send = (driver: Parameters<Step>[0], bytes: Uint8Array, at: number, slot: number, room: number) => {
  driver.memory.bytes(at, bytes.length).set(bytes)
  postFrom(slot, 0, driver, [
    { gpa: at, length: bytes.length, flags: 0 },
    { gpa: at + 0x600, length: room, flags: 2 },
  ])
}

/** Without them the rest is only ever refused. They do what they do once. */
const OPENING: readonly Uint8Array[] = [
  Uint8Array.from([21, 0, 0, 0, 100, 255, 255, 0, 32, 0, 0, 8, 0, ...Buffer.from('9P2000.L')]),
  Uint8Array.from([23, 0, 0, 0, 104, 7, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]),
]
