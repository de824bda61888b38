/**
 * The card against a model: whatever the framing, every frame arrives whole, once and in order; whatever a header says,
 * only a true one reaches the host.
 */
import test from 'ava'
import fc from 'fast-check'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import {
  checkSentFrame,
  frame,
  type HeaderFields,
  join,
  MAC,
  netHeader,
  RECEIVEQ,
  startNet,
  TRANSMITQ,
} from '../helpers/net.ts'

const CASES = Number(process.env.CLOISTER_FUZZ_CASES ?? 400)
const BUFFERS = 0x10000
const QUEUE_SIZE = 32

const u16 = fc.oneof(fc.integer({ min: 0, max: 120 }), fc.constantFrom(0x7fff, 0x8000, 0xfffe, 0xffff))
const header: fc.Arbitrary<HeaderFields> = fc.oneof(
  fc.constant({}),
  // Nearly honest: a small step from a frame that passes.
  fc.record({
    flags: fc.constant(1),
    gsoType: fc.constantFrom(0, 1, 4, 5, 0x81, 0x84, 0x85, 0x80),
    gsoSize: fc.constantFrom(0, 1, 1448),
    checksumStart: fc.constantFrom(13, 14, 34),
    checksumOffset: fc.constantFrom(6, 16, 60, 0xfff0),
  }),
  fc.record({
    flags: fc.integer({ min: 0, max: 255 }),
    gsoType: fc.integer({ min: 0, max: 255 }),
    headerLength: u16,
    gsoSize: u16,
    checksumStart: u16,
    checksumOffset: u16,
    buffers: u16,
  }),
)

const cutUp = (total: number, cuts: readonly number[]): number[] => {
  const lengths: number[] = []
  let left = total
  for (const cut of cuts) {
    if (cut >= left) break
    lengths.push(cut)
    left -= cut
  }
  return [...lengths, left]
}

test('frames with honest headers go out whole, once and in order, however they are cut and whoever is slow', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          length: fc.integer({ min: 14, max: 1514 }),
          cuts: fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 6 }),
          takes: fc.integer({ min: 0, max: 3 }),
        }),
        { maxLength: 30 },
      ),
      fc.integer({ min: 1, max: 5 }),
      (frames, capacity) => {
        const net = startNet({ capacity, size: QUEUE_SIZE })
        const sent: Uint8Array[] = []
        const arrived: Uint8Array[] = []
        const take = (count: number) => {
          for (let index = 0; index < count; index++) {
            const bytes = net.arrived()
            if (bytes) arrived.push(bytes)
          }
          net.driver.queue(TRANSMITQ).takeUsed()
        }
        for (const [seed, { length, cuts, takes }] of frames.entries()) {
          // The ring has room for four of the longest.
          if (sent.length - arrived.length >= 4) take(1)
          const bytes = join(netHeader(), frame(length, seed))
          net.transmit(bytes, cutUp(bytes.length, cuts), 0x8000 + 0x800 * (seed % 8))
          sent.push(bytes)
          take(takes)
        }
        take(frames.length)
        t.deepEqual(arrived, sent)
      },
    ),
    { numRuns: CASES },
  )
  t.pass()
})

test('no header that lies reaches the host, and every honest one does', (t) => {
  let sent = 0
  let dropped = 0
  fc.assert(
    fc.property(header, fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 3 }), (fields, length, from) => {
      const own = from > 0
      const net = startNet()
      net.transmit(join(netHeader(fields), frame(length, 0, own ? MAC : Uint8Array.of(2, 9, 9, 9, 9, 9))))
      const bytes = net.arrived()
      if (bytes) {
        sent++
        if (!own) throw new Error('from a stranger')
        checkSentFrame(bytes)
        if (bytes.length !== 12 + length) throw new Error('not whole')
      } else dropped++
      if (net.driver.queue(TRANSMITQ).takeUsed().length !== 1) throw new Error('the buffer was not given back')
      const honest = own && length >= 14 && (fields.flags ?? 0) === 0 && (fields.gsoType ?? 0) === 0
      if (honest && !bytes) throw new Error('an honest frame was dropped')
    }),
    { numRuns: CASES * 2 },
  )
  t.true(sent > CASES / 10 && dropped > CASES / 10, `${sent} sent, ${dropped} dropped`)
})

test('frames come in whole, once and in order, whatever buffers the driver posts and when', (t) => {
  let merged = 0
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ kind: fc.constant('frame' as const), length: fc.integer({ min: 14, max: 3000 }) }),
          fc.record({ kind: fc.constant('buffer' as const), length: fc.integer({ min: 12, max: 1600 }) }),
        ),
        { maxLength: 60 },
      ),
      (steps) => {
        const net = startNet({ features: VIRTIO_NET_F.MRG_RXBUF, mtu: 4000, size: QUEUE_SIZE, ramBytes: 0x40000 })
        const where = new Map<number, number>()
        const sent: Uint8Array[] = []
        const got: Uint8Array[] = []
        let at = BUFFERS
        let posted = 0
        const look = () => {
          for (const { frame: bytes, used } of net.received(where)) {
            got.push(bytes.slice(12))
            posted -= used.length
            if (used.length > 1) merged++
          }
        }
        const post = (length: number) => {
          if (posted === QUEUE_SIZE) return
          where.set(net.driver.queue(RECEIVEQ).post({ gpa: at, length, write: true }), at)
          at = at + 2 * length > 0x3f000 ? BUFFERS : at + length
          posted++
          net.driver.kick(RECEIVEQ)
          look()
        }
        for (const [seed, { kind, length }] of steps.entries()) {
          if (kind === 'frame') {
            sent.push(frame(length, seed))
            net.put(join(netHeader(), frame(length, seed)))
            look()
          } else post(length)
        }
        // What still waits has come when there are buffers enough.
        for (let rounds = 0; rounds < 200 && got.length < sent.length; rounds++) post(1600)
        t.deepEqual(got, sent)
        if (net.device.counters().receiveDropped > 0) throw new Error('dropped')
      },
    ),
    { numRuns: CASES },
  )
  t.true(merged > CASES / 4, `only ${merged} frames took several buffers`)
})
