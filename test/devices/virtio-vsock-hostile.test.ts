/** Well-formed packets that say anything, in any order, while host programs come and go (class 24). */
import test from 'ava'
import fc from 'fast-check'
import { VSOCK_HALF_OPEN_MAX, virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { VSOCK_BUFFER_BYTES } from '../../src/devices/virtio-vsock-credit.ts'
import { createFakeBackend, type FakeStream } from '../helpers/vsock-backend.ts'
import { OP, VsockDriver } from '../helpers/vsock-driver.ts'

const CASES = Number(process.env.CLOISTER_FUZZ_CASES ?? 200)
const FIRST_HOST_PORT = 2 ** 30

const u32 = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(0x7fffffff, 0x80000000, 0xffffff00, 0xffffffff) },
)
const packet = fc.record({
  op: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(OP.REQUEST, OP.RW) },
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 8 }) },
    fc.constant(0xffff),
  ),
  type: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 0xffff)),
  srcPort: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(20, 21) }, u32),
  dstPort: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(80, 81) },
    { weight: 4, arbitrary: fc.integer({ min: FIRST_HOST_PORT, max: FIRST_HOST_PORT + 3 }) },
    u32,
  ),
  srcCid: fc.oneof({ weight: 9, arbitrary: fc.constant(3n) }, fc.constantFrom(0n, 2n, 0xffff_ffff_0000_0003n)),
  flags: fc.oneof(fc.integer({ min: 0, max: 3 }), u32),
  bufAlloc: u32,
  fwdCnt: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, u32),
})
const size = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 300 }) }, fc.constant(VSOCK_BUFFER_BYTES / 4))

type Step = (world: World) => void
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(packet, size).map(
      ([fields, n]): Step =>
        (world) =>
          world.send(fields, n),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(20, 21).map(
      (port): Step =>
        (world) =>
          world.dial(port),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.nat(), fc.constantFrom('opened', 'opened', 'opened', 'push', 'deliver', 'end', 'die')).map(
      ([which, act]): Step =>
        (world) =>
          world.host(which, act),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.take()) },
)

class World {
  readonly backend = createFakeBackend()
  readonly driver = new VsockDriver(virtioVsock({ backend: this.backend, after: () => () => {} }))
  readonly dialled: FakeStream[] = []
  responses = 0

  /** One stream is there already. */
  constructor() {
    this.driver.send({ op: OP.REQUEST, srcPort: 20, dstPort: 80 })
    this.host(0, 'opened')
    this.take()
  }

  get streams(): FakeStream[] {
    return [...this.backend.asked, ...this.dialled]
  }

  send(fields: Parameters<VsockDriver['send']>[0], length: number): void {
    this.driver.send(fields, new Uint8Array(length))
  }

  dial(port: number): void {
    const stream = this.backend.dial(port)
    if (stream) this.dialled.push(stream)
  }

  host(which: number, act: string): void {
    const { streams } = this
    const stream = streams[streams.length - 1 - (which % Math.min(streams.length || 1, 4))]
    // A stream that was given up has nobody to tell. The latest ones are the likeliest.
    if (!stream?.listener) return
    if (act === 'opened') stream.listener.opened()
    else if (act === 'push') stream.push(new Uint8Array(100))
    else if (act === 'deliver') stream.deliver(1)
    else if (act === 'end') stream.end()
    else stream.die()
  }

  take(): void {
    for (const { op } of this.driver.takeAll()) if (op === OP.RESPONSE) this.responses++
  }

  check(): void {
    const { mmio } = this.driver
    if (mmio.needsReset) throw new Error(mmio.log.join('\n'))
    for (const stream of this.streams) {
      if (stream.bytesUnderWay > VSOCK_BUFFER_BYTES) throw new Error(`${stream.bytesUnderWay} bytes are kept`)
      const ends = stream.calls.filter((call) => call === 'abort' || call === 'close').length
      if (ends > 1 || stream.calls.filter((call) => call.startsWith('accept')).length > 1)
        throw new Error(`the device did ${stream.calls}`)
    }
  }
}

test('no sequence of packets gets past the protocol: memory is bounded, no stream ends twice, the device lives', (t) => {
  let responses = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), (steps) => {
      const world = new World()
      for (const act of steps) {
        act(world)
        world.check()
      }
      world.take()
      const before = world.streams.filter(({ listener }) => listener).length
      if (before > steps.length + VSOCK_HALF_OPEN_MAX) throw new Error(`${before} streams`)
      // Whatever came before, the next one that keeps to the rules is served.
      world.driver.send({ op: OP.RST, srcPort: 4000, dstPort: 4001 })
      world.driver.send({ op: OP.REQUEST, srcPort: 4000, dstPort: 4001 })
      world.backend.asked.at(-1)?.listener?.opened()
      const answers = world.driver.takeAll().filter(({ dstPort, srcPort }) => dstPort === 4000 && srcPort === 4001)
      if (!answers.some(({ op }) => op === OP.RESPONSE)) {
        const halfOpen = world.backend.asked.filter(({ listener }) => listener).length
        if (halfOpen < VSOCK_HALF_OPEN_MAX) throw new Error(`answered ${answers.map(({ op }) => op)}`)
      }
      responses += world.responses
    }),
    { numRuns: CASES },
  )
  t.true(responses > 1.1 * CASES, `only ${responses} streams came to be in ${CASES} cases`)
})
