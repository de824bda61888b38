import fc from 'fast-check'
import { encodeHeader, VIRTIO_VSOCK_OP, VSOCK_HEADER_BYTES } from '../../../src/devices/virtio-vsock-packet.ts'
import { slot } from './any-step.ts'
import { hostStep } from './chain-step.ts'
import { postFrom, type Step, startIfBroken } from './subject.ts'

const OP = VIRTIO_VSOCK_OP
const [RX, TX, EVENT] = [0, 1, 2] as const
/** The first ports that host programs are given. */
const DIALLED = [2 ** 30, 2 ** 30 + 1] as const

const mostly = <T>(right: T, ...wrong: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 19, arbitrary: fc.constant(right) }, fc.constantFrom(...wrong))

/** A packet that is nearly right, of few ports so that streams come about. */
const packet: fc.Arbitrary<Step> = fc
  .record({
    op: fc.constantFrom(OP.REQUEST, OP.REQUEST, OP.RESPONSE, OP.RESPONSE, OP.RW, OP.RW, OP.RW, 3, 4, 6, 7, 0, 8),
    srcPort: fc.constantFrom(1, 2),
    dstPort: fc.constantFrom(80, 80, 80, 81, ...DIALLED),
    srcCid: mostly(3n, 2n, 0xffff_ffff_0000_0003n),
    type: mostly(1, 2),
    payload: fc.constantFrom(0, 1, 60, 600),
    /** What the header says beyond what there is. */
    lie: mostly(0, 1, -1, 0xffff0000),
    flags: fc.integer({ min: 0, max: 4 }),
    bufAlloc: fc.constantFrom(0, 1, 4096, 0x40000, 0xffffffff),
    fwdCnt: mostly(0, 1, 600, 0x80000000),
    cut: fc.constantFrom(0, 0, 1, 20),
    slot,
  })
  .map(({ payload, lie, cut, slot, ...fields }): Step => {
    return (driver) => {
      startIfBroken(driver)
      const at = 0x8000 + slot * 0x800
      const len = Math.max(0, payload + lie)
      driver.memory.bytes(at, VSOCK_HEADER_BYTES).set(encodeHeader({ ...fields, dstCid: 2n, len }))
      const length = VSOCK_HEADER_BYTES + payload
      const parts = cut === 0 ? [length] : [cut, length - cut]
      postFrom(
        slot,
        TX,
        driver,
        parts.map((part, i) => ({ gpa: i === 0 ? at : at + cut, length: part, flags: 0 })),
      )
    }
  })

const buffer: fc.Arbitrary<Step> = fc
  .record({ queue: fc.constantFrom(RX, RX, RX, RX, EVENT), slot, length: mostly(100, 1024, 45, 44) })
  .map(({ queue, slot, length }): Step => {
    return (driver) => {
      startIfBroken(driver)
      postFrom(slot, queue, driver, [{ gpa: 0xc000 + slot * 0x400, length, flags: 2 }])
    }
  })

export const vsockStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: packet },
  { weight: 2, arbitrary: buffer },
  { weight: 2, arbitrary: hostStep },
)
