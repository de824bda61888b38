import fc from 'fast-check'
import { slot } from './any-step.ts'
import { postFrom, type Step } from './subject.ts'

/** A block request that is nearly right: wholly random ones never get as far as a disk. */
export const blockStep: fc.Arbitrary<Step> = fc
  .record({
    type: fc.constantFrom(0, 0, 1, 1, 4, 8, 11, 13, 99),
    sector: fc.constantFrom(0n, 1n, 7n, 8n, 9n, 1n << 53n, 1n << 55n, (1n << 64n) - 1n),
    data: fc.constantFrom(0, 16, 32, 511, 512, 513, 1024, 4096, 8192),
    range: fc.tuple(fc.constantFrom(0n, 7n, 8n, 1n << 55n), fc.constantFrom(0, 1, 8, 9, 0xffffffff)),
    flags: fc.constantFrom(0, 1, 2),
    slot,
    statusBytes: fc.constantFrom(1, 1, 1, 0, 2),
  })
  .map(({ type, sector, data, range, flags, slot, statusBytes }): Step => {
    return (driver) => {
      const { memory } = driver
      const at = 0x8000 + slot * 0x800
      memory.writeU32(at, type)
      memory.writeU64(at + 8, sector)
      memory.writeU64(at + 16, range[0])
      memory.writeU32(at + 24, range[1])
      memory.writeU32(at + 28, flags)
      const write = type === 0 || type === 8 ? 2 : 0
      const parts = [
        { gpa: at, length: 16, flags: 0 },
        { gpa: at + 16, length: data, flags: write },
        { gpa: at + 0x7f0, length: statusBytes, flags: 2 },
      ].filter(({ length }) => length > 0)
      postFrom(slot, 0, driver, parts)
    }
  })
