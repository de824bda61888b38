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

/** A stream that the guest asks for, that has its host program at once, and some bytes on it. */
const stream: fc.Arbitrary<Step> = fc
  .record({ srcPort: fc.constantFrom(1, 2), choice: fc.integer({ min: 8, max: 11 }), payload: fc.constantFrom(1, 600) })
  .map(({ srcPort, choice, payload }): Step => {
    const fields = { srcCid: 3n, dstCid: 2n, srcPort, dstPort: 80, type: 1, flags: 0, bufAlloc: 0x40000, fwdCnt: 0 }
    return (driver, { hostEvent }) => {
      startIfBroken(driver)
      driver.memory.bytes(0x8000, VSOCK_HEADER_BYTES).set(encodeHeader({ ...fields, op: OP.REQUEST, len: 0 }))
      postFrom(0, TX, driver, [{ gpa: 0x8000, length: VSOCK_HEADER_BYTES, flags: 0 }])
      hostEvent(choice)
      driver.memory.bytes(0x8800, VSOCK_HEADER_BYTES).set(encodeHeader({ ...fields, op: OP.RW, len: payload }))
      postFrom(1, TX, driver, [{ gpa: 0x8800, length: VSOCK_HEADER_BYTES + payload, flags: 0 }])
    }
  })

export const vsockStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: packet },
  stream,
  { weight: 2, arbitrary: buffer },
  { weight: 2, arbitrary: hostStep },
)
