/** Any interleaving of both sides against a model of byte streams. fast-check prints seed and path of a failure. */
import test from 'ava'
import fc from 'fast-check'
import { virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { VSOCK_BUFFER_BYTES } from '../../src/devices/virtio-vsock-credit.ts'
import { createFakeBackend, type FakeStream } from '../helpers/vsock-backend.ts'
import { OP, type Packet, VsockDriver } from '../helpers/vsock-driver.ts'

const CASES = Number(process.env.CLOISTER_FUZZ_CASES ?? 60)
const STREAMS = 3
const FIRST_PORT = 1000
const HOST_PORT = 80

/** Byte n of every stream: two that were swapped, lost or doubled show. */
const byteAt = (n: number) => (n * 7 + (n >> 8)) & 0xff
const bytesFrom = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => byteAt(from + i))

/** The guest's end of one stream, as a driver keeps it. */
class GuestStream {
  readonly port: number
  readonly bufAlloc: number
  readonly host: FakeStream
  sent = 0
  hostBuffer = 0
  hostForwarded = 0
  received = 0
  forwarded = 0
  pushed = 0

  constructor(port: number, bufAlloc: number, host: FakeStream) {
    this.port = port
    this.bufAlloc = bufAlloc
    this.host = host
  }

  get room(): number {
    return this.hostBuffer - (this.sent - this.hostForwarded)
  }

  fields() {
    return { srcPort: this.port, dstPort: HOST_PORT, bufAlloc: this.bufAlloc, fwdCnt: this.forwarded }
  }

  /** @returns what is wrong with a packet */
  hear({ op, len, payload, bufAlloc, fwdCnt }: Packet): string | undefined {
    this.hostBuffer = bufAlloc
    this.hostForwarded = fwdCnt
    if (op !== OP.RW) return op === OP.CREDIT_UPDATE || op === OP.CREDIT_REQUEST ? undefined : `operation ${op}`
    if (len !== payload.length || len === 0) return `${len} bytes said, ${payload.length} there`
    for (const [i, byte] of payload.entries()) {
      if (byte !== byteAt(this.received + i)) return `byte ${this.received + i} of a stream is another`
    }
    this.received += len
    return this.received - this.forwarded > this.bufAlloc ? 'more than there is room for' : undefined
  }
}

type Step = (world: World) => void

class World {
  readonly driver: VsockDriver
  readonly streams: GuestStream[]

  constructor(bufAllocs: readonly number[], rxBytes: number) {
    const backend = createFakeBackend()
    this.driver = new VsockDriver(virtioVsock({ backend }), { rxBytes })
    this.streams = bufAllocs.map((bufAlloc, i) => {
      const port = FIRST_PORT + i
      this.driver.send({ op: OP.REQUEST, srcPort: port, dstPort: HOST_PORT, bufAlloc })
      const host = backend.asked[i]!
      host.listener!.opened()
      const stream = new GuestStream(port, bufAlloc, host)
      const [response] = this.driver.take()
      if (response?.op !== OP.RESPONSE) throw new Error('no RESPONSE')
      stream.hostBuffer = response.bufAlloc
      return stream
    })
  }

  send(stream: GuestStream, length: number): void {
    const size = Math.min(length, stream.room)
    if (size <= 0) return
    this.driver.send({ op: OP.RW, ...stream.fields() }, bytesFrom(stream.sent, size))
    stream.sent += size
  }

  push(stream: GuestStream, length: number): void {
    stream.host.push(bytesFrom(stream.pushed, length))
    stream.pushed += length
  }

  /** The guest's program reads so much. */
  read(stream: GuestStream, length: number): void {
    stream.forwarded += Math.min(length, stream.received - stream.forwarded)
    this.driver.send({ op: OP.CREDIT_UPDATE, ...stream.fields() })
  }

  take(refill: boolean): number {
    const packets = this.driver.take({ refill })
    for (const packet of packets) {
      const wrong = this.streams[packet.dstPort - FIRST_PORT]!.hear(packet)
      if (wrong) throw new Error(wrong)
    }
    return packets.length
  }

  check(): void {
    if (this.driver.mmio.needsReset) throw new Error(this.driver.mmio.log.join('\n'))
    for (const { host } of this.streams) {
      if (host.bytesUnderWay > VSOCK_BUFFER_BYTES) throw new Error(`${host.bytesUnderWay} bytes kept`)
      if (host.calls.length > 0) throw new Error(`the device did ${host.calls}`)
    }
  }

  /** Both sides do what they can until nothing moves any more. */
  finish(): void {
    for (let moved = true; moved; ) {
      moved = this.take(true) > 0
      for (const stream of this.streams) {
        moved ||= stream.host.underWay.length > 0 || stream.received > stream.forwarded
        stream.host.deliver()
        if (stream.received > stream.forwarded) this.read(stream, Number.POSITIVE_INFINITY)
      }
    }
  }
}

const which = fc.integer({ min: 0, max: STREAMS - 1 })
const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2000, 6000) },
)
/** As much as fills the device's buffer in a few steps. */
const bulk = fc.oneof({ weight: 8, arbitrary: length }, { weight: 1, arbitrary: fc.constant(65_536) })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(which, bulk).map(
    ([i, n]): Step =>
      (world) =>
        world.send(world.streams[i]!, n),
  ),
  fc.tuple(which, length).map(
    ([i, n]): Step =>
      (world) =>
        world.push(world.streams[i]!, n),
  ),
  fc.tuple(which, length).map(
    ([i, n]): Step =>
      (world) =>
        world.read(world.streams[i]!, n),
  ),
  fc.tuple(which, fc.integer({ min: 1, max: 3 })).map(
    ([i, n]): Step =>
      (world) =>
        world.streams[i]!.host.deliver(n),
  ),
  which.map(
    (i): Step =>
      (world) =>
        world.driver.send({ op: OP.CREDIT_REQUEST, ...world.streams[i]!.fields() }),
  ),
  fc.constant<Step>((world) => void world.take(true)),
)

test('every byte arrives once and in order on its own stream, within credit and bounded memory (§5.10.6.3)', (t) => {
  let moved = 0
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(1, 60, 1000, 100_000), { minLength: STREAMS, maxLength: STREAMS }),
      fc.constantFrom(60, 300, 1024),
      fc.array(step, { minLength: 1, maxLength: 60 }),
      (bufAllocs, rxBytes, steps) => {
        const world = new World(bufAllocs, rxBytes)
        for (const act of steps) {
          act(world)
          world.check()
        }
        world.finish()
        world.check()
        for (const { host, sent, received, pushed } of world.streams) {
          const wanted = Buffer.from(bytesFrom(0, sent))
          if (!wanted.equals(Buffer.from(host.delivered))) throw new Error(`${host.delivered.length} of ${sent} bytes`)
          if (received !== pushed) throw new Error(`${received} of ${pushed} bytes arrived in the guest`)
          moved += sent + received
        }
      },
    ),
    { numRuns: CASES },
  )
  t.true(moved > 100 * CASES)
})
