import test from 'ava'
import {
  VSOCK_HALF_OPEN_MAX,
  VSOCK_RESETS_MAX,
  VSOCK_STREAMS_MAX,
  virtioVsock,
} from '../../src/devices/virtio-vsock.ts'
import { VSOCK_BUFFER_BYTES } from '../../src/devices/virtio-vsock-credit.ts'
import { MmioDriver } from '../helpers/mmio-driver.ts'
import { createFakeBackend } from '../helpers/vsock-backend.ts'
import { EVENT, GUEST_CID, OP, VsockDriver } from '../helpers/vsock-driver.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (codes: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(codes))

const start = (options: { rxBytes?: number; rxCount?: number } = {}) => {
  const backend = createFakeBackend()
  const timers: { ms: number; task: () => void; off: boolean }[] = []
  const device = virtioVsock({
    backend,
    after: (ms, task) => {
      const timer = { ms, task, off: false }
      timers.push(timer)
      return () => {
        timer.off = true
      }
    },
  })
  return { backend, timers, device, driver: new VsockDriver(device, options) }
}

/** A stream that the guest asked for: guest port 1000, host port 80. */
const open = (options: { rxBytes?: number; rxCount?: number } = {}, bufAlloc = 0x40000) => {
  const world = start(options)
  world.driver.send({ op: OP.REQUEST, bufAlloc })
  const stream = world.backend.asked[0]!
  stream.listener!.opened()
  if (options.rxCount !== 0) world.driver.take()
  return { ...world, stream }
}

test('virtio-vsock is device 19 with three queues and the guest CID in its configuration space (§5.10.4)', (t) => {
  const { driver, device } = start()
  t.is(driver.mmio.read('DeviceID'), 19)
  t.deepEqual(
    device.queues.map(({ name }) => name),
    ['rx', 'tx', 'event'],
  )
  t.deepEqual([...driver.mmio.readConfig(0, 8)], [GUEST_CID, 0, 0, 0, 0, 0, 0, 0])
})

for (const guestCid of [0, 1, 2, 0xffffffff, -3, 2.5, 2 ** 32]) {
  test(`virtio-vsock is not made with the context identifier ${guestCid}, which is reserved or none (§5.10.4)`, (t) => {
    t.throws(() => virtioVsock({ backend: createFakeBackend(), guestCid }), { name: 'BugError' })
  })
}

test('virtio-vsock answers a REQUEST with RESPONSE once there is a host program (§5.10.6.5)', (t) => {
  const { driver, backend } = start()
  driver.send({ op: OP.REQUEST, srcPort: 5000, dstPort: 80 })
  t.is(backend.asked[0]!.hostPort, 80)
  t.deepEqual(driver.take(), [])
  backend.asked[0]!.listener!.opened()
  const [response] = driver.take()
  t.like(response, { op: OP.RESPONSE, srcCid: 2n, dstCid: BigInt(GUEST_CID), srcPort: 80, dstPort: 5000, type: 1 })
  t.like(response, { bufAlloc: VSOCK_BUFFER_BYTES, fwdCnt: 0, len: 0 })
})

test('virtio-vsock answers a REQUEST with RST where nobody listens, at once or later (§5.10.6.5)', (t) => {
  const { driver, backend } = start()
  backend.refused.add(81)
  driver.send({ op: OP.REQUEST, dstPort: 81 })
  t.like(driver.take()[0], { op: OP.RST, srcPort: 81, dstPort: 1000 })
  driver.send({ op: OP.REQUEST, dstPort: 82 })
  backend.asked[0]!.die()
  t.like(driver.take()[0], { op: OP.RST, srcPort: 82, dstPort: 1000 })
})

test('virtio-vsock carries bytes both ways, whatever buffers they come in', (t) => {
  const { driver, stream } = open()
  driver.send({ op: OP.RW }, bytes('to the host'), [44, 3, 8])
  driver.send({ op: OP.RW }, bytes(', and more'), [20, 24, 10])
  stream.deliver()
  t.is(text(stream.delivered), 'to the host, and more')
  stream.push(bytes('to the guest'))
  const [packet] = driver.take()
  t.like(packet, { op: OP.RW, len: 12, srcPort: 80, dstPort: 1000, fwdCnt: 21 })
  t.is(text(packet!.payload), 'to the guest')
})

test('virtio-vsock takes the first len bytes of a longer buffer as payload (§5.10.6)', (t) => {
  const { driver, stream } = open()
  driver.send({ op: OP.RW, len: 3 }, bytes('abcdef'))
  stream.deliver()
  t.is(text(stream.delivered), 'abc')
})

test('virtio-vsock lets a host program reach a guest port, from a host port of its own for each', (t) => {
  const { driver, backend } = start()
  const [first, second] = [backend.dial(22)!, backend.dial(22)!]
  const [one, two] = driver.take()
  t.like(one, { op: OP.REQUEST, dstPort: 22, bufAlloc: VSOCK_BUFFER_BYTES })
  t.not(one!.srcPort, two!.srcPort)
  driver.send({ op: OP.RESPONSE, srcPort: 22, dstPort: one!.srcPort })
  t.deepEqual(first.calls, [`accept ${one!.srcPort}`])
  driver.send({ op: OP.RST, srcPort: 22, dstPort: two!.srcPort })
  t.deepEqual(second.calls, ['abort'])
})

test('virtio-vsock has no host program reach a guest without a driver', (t) => {
  const backend = createFakeBackend()
  virtioVsock({ backend })
  t.is(backend.dial(22), undefined)
})

test('a host program that leaves before the guest heard of it leaves no trace', (t) => {
  const { driver, backend } = start({ rxCount: 0 })
  backend.dial(22)!.die()
  driver.offer(0x8000)
  driver.mmio.kick(0)
  t.deepEqual(driver.take(), [])
})

test('a host program that leaves before the guest answered is followed by RST', (t) => {
  const { driver, backend } = start()
  const stream = backend.dial(22)!
  t.deepEqual(driver.ops(), [OP.REQUEST])
  stream.die()
  t.deepEqual(driver.ops(), [OP.RST])
})

// --- credit ---

test('virtio-vsock never sends more than the driver has room for, asks once for more, and goes on (§5.10.6.3)', (t) => {
  const { driver, stream } = open({}, 10)
  stream.push(bytes('0123456789abcdef'))
  t.deepEqual(
    driver.takeAll().map(({ op, payload }) => [op, text(payload)]),
    [
      [OP.RW, '0123456789'],
      [OP.CREDIT_REQUEST, ''],
    ],
  )
  driver.send({ op: OP.CREDIT_UPDATE, bufAlloc: 10, fwdCnt: 4 })
  t.deepEqual(
    driver.takeAll().map(({ op, payload }) => [op, text(payload)]),
    [
      [OP.RW, 'abcd'],
      [OP.CREDIT_REQUEST, ''],
    ],
  )
})

test('virtio-vsock sends nothing while the driver has made its buffer smaller than what is in flight', (t) => {
  const { driver, stream } = open({}, 10)
  stream.push(bytes('0123456789abcdef'))
  driver.takeAll()
  driver.send({ op: OP.CREDIT_UPDATE, bufAlloc: 4, fwdCnt: 5 })
  t.deepEqual(driver.takeAll(), [])
  driver.send({ op: OP.CREDIT_UPDATE, bufAlloc: 4, fwdCnt: 9 })
  t.is(text(driver.takeAll()[0]!.payload), 'abc')
})

test('virtio-vsock tells the driver of room as the host program reads, and when it asks (§5.10.6.3)', (t) => {
  const { driver, stream } = open()
  for (let i = 0; i < 4; i++) driver.send({ op: OP.RW }, new Uint8Array(VSOCK_BUFFER_BYTES / 4))
  t.deepEqual(driver.take(), [])
  stream.deliver(1)
  t.like(driver.take()[0], { op: OP.CREDIT_UPDATE, fwdCnt: VSOCK_BUFFER_BYTES / 4 })
  driver.send({ op: OP.CREDIT_REQUEST })
  t.like(driver.take()[0], { op: OP.CREDIT_UPDATE, fwdCnt: VSOCK_BUFFER_BYTES / 4 })
})

test('data tells the driver of room too: it is not told twice, nor of every little', (t) => {
  const { driver, stream } = open()
  for (const length of [VSOCK_BUFFER_BYTES / 4, 100]) driver.send({ op: OP.RW }, new Uint8Array(length))
  stream.deliver(1)
  stream.push(bytes('x'))
  t.deepEqual(
    driver.takeAll().map(({ fwdCnt }) => fwdCnt),
    [VSOCK_BUFFER_BYTES / 4, VSOCK_BUFFER_BYTES / 4],
  )
  stream.deliver()
  t.deepEqual(driver.takeAll(), [])
})

test('a driver that sends more than it was given room for loses the stream, and none of it is kept (class 24)', (t) => {
  const { driver, stream } = open()
  for (let i = 0; i < 4; i++) driver.send({ op: OP.RW }, new Uint8Array(VSOCK_BUFFER_BYTES / 4))
  t.is(stream.bytesUnderWay, VSOCK_BUFFER_BYTES)
  driver.send({ op: OP.RW }, new Uint8Array(1))
  t.is(stream.bytesUnderWay, VSOCK_BUFFER_BYTES)
  t.deepEqual(driver.ops(), [OP.RST])
  t.deepEqual(stream.calls, ['abort'])
})

test('a driver that claims to have passed on bytes that it was never sent loses the stream (class 24)', (t) => {
  const { driver, stream } = open()
  stream.push(new Uint8Array(5))
  driver.takeAll()
  driver.send({ op: OP.CREDIT_UPDATE, fwdCnt: 6 })
  t.deepEqual(driver.ops(), [OP.RST])
  t.deepEqual(stream.calls, ['abort'])
})

test('a count older than one seen before is no lie: two processors may send at once', (t) => {
  const { driver, stream } = open()
  stream.push(new Uint8Array(5))
  driver.takeAll()
  driver.send({ op: OP.CREDIT_UPDATE, fwdCnt: 5 })
  driver.send({ op: OP.RW, fwdCnt: 3 }, bytes('x'))
  t.deepEqual(driver.ops(), [])
  t.is(stream.bytesUnderWay, 1)
})

// --- ends ---

test('a guest that sends no more ends the input of the host program, which may still send (§5.10.6.5)', (t) => {
  const { driver, stream } = open()
  driver.send({ op: OP.SHUTDOWN, flags: 2 })
  t.deepEqual(stream.calls, ['endSending'])
  stream.push(bytes('reply'))
  t.is(text(driver.take()[0]!.payload), 'reply')
})

test('a guest that receives no more is sent nothing (§5.10.6.5)', (t) => {
  const { driver, stream } = open()
  driver.send({ op: OP.SHUTDOWN, flags: 1 })
  t.deepEqual(stream.calls, ['endReceiving'])
  stream.push(bytes('to nobody'))
  t.deepEqual(driver.takeAll(), [])
})

test('a guest that is done is answered RST, what it sent still arrives, and it may use the ports again', (t) => {
  const { driver, stream, backend } = open()
  driver.send({ op: OP.RW }, bytes('last words'))
  driver.send({ op: OP.SHUTDOWN, flags: 1 })
  driver.send({ op: OP.SHUTDOWN, flags: 2 })
  t.deepEqual(driver.ops(), [OP.RST])
  t.is(stream.calls.at(-1), 'close')
  stream.deliver()
  t.is(text(stream.delivered), 'last words')
  driver.send({ op: OP.REQUEST })
  t.is(backend.asked.length, 2)
})

test('what a host program sent before it ended arrives before its end does', (t) => {
  const { driver, stream } = open({ rxBytes: 50 })
  stream.push(bytes('twelve bytes'))
  stream.end()
  const packets = driver.takeAll()
  t.is(text(packets.flatMap(({ payload }) => [...payload])), 'twelve bytes')
  t.like(packets.at(-1), { op: OP.SHUTDOWN, flags: 2 })
  t.is(packets.filter(({ op }) => op === OP.SHUTDOWN).length, 1)
})

test('a host program that is gone is told by SHUTDOWN of both directions, after all it sent; RST ends it', (t) => {
  const { driver, stream, timers, backend } = open()
  stream.push(bytes('bye'))
  stream.die()
  const packets = driver.takeAll()
  t.is(text(packets[0]!.payload), 'bye')
  t.like(packets[1], { op: OP.SHUTDOWN, flags: 3 })
  driver.send({ op: OP.RST })
  t.true(timers.every(({ off }) => off))
  driver.send({ op: OP.REQUEST })
  t.is(backend.asked.length, 2)
})

test('a driver that never agrees to the end is told RST after a while (§5.10.6.5)', (t) => {
  const { driver, stream, timers } = open()
  stream.die()
  t.deepEqual(driver.ops(), [OP.SHUTDOWN])
  timers[0]!.task()
  t.deepEqual(driver.ops(), [OP.RST])
})

test('RST of the driver gives the stream up, and is not answered', (t) => {
  const { driver, stream } = open()
  driver.send({ op: OP.RST })
  t.deepEqual(stream.calls, ['abort'])
  t.deepEqual(driver.ops(), [])
})

// --- what a driver must not do (class 24) ---

for (const [what, fields] of [
  ['an operation that there is not', { op: 99 }],
  ['operation 0, which is invalid', { op: OP.INVALID }],
  ['a RESPONSE that nobody waits for', { op: OP.RESPONSE }],
  ['a second REQUEST', { op: OP.REQUEST }],
  ['payload after it said that it sends no more', { op: OP.RW }],
] as const) {
  test(`${what} costs the driver its stream (class 24)`, (t) => {
    const { driver, stream } = open()
    if (fields.op === OP.RW) driver.send({ op: OP.SHUTDOWN, flags: 2 })
    driver.send(fields)
    t.deepEqual(driver.ops(), [OP.RST])
    t.is(stream.calls.at(-1), 'abort')
    t.false(driver.mmio.needsReset)
  })
}

test('a type of socket that there is not is answered RST, and no stream is hurt (§5.10.6.4)', (t) => {
  const { driver, stream } = open()
  driver.send({ op: OP.REQUEST, type: 2 })
  t.like(driver.take()[0], { op: OP.RST, type: 2 })
  driver.send({ op: OP.RW, type: 77 }, bytes('x'))
  t.like(driver.take()[0], { op: OP.RST, type: 77 })
  t.deepEqual(stream.calls, [])
})

test('packets of no stream are answered RST, but RST itself is not (§5.10.6.5)', (t) => {
  const { driver } = start()
  driver.send({ op: OP.RW, srcPort: 7 }, bytes('x'))
  driver.send({ op: OP.RST, srcPort: 8 })
  t.deepEqual(
    driver.takeAll().map(({ op, dstPort }) => [op, dstPort]),
    [[OP.RST, 7]],
  )
})

test('packets from or to another CID go nowhere (class 24)', (t) => {
  const { driver, backend } = start()
  for (const cids of [{ srcCid: 4n }, { dstCid: 3n }, { srcCid: 3n + (1n << 32n) }, { dstCid: 0xffff_ffff_0000_0002n }])
    driver.send({ op: OP.REQUEST, ...cids })
  t.is(backend.asked.length, 0)
  t.deepEqual(driver.ops(), [])
})

test('a packet shorter than its header, or than its header says, needs a reset (class 24, CVE-2019-18960)', (t) => {
  for (const [fields, payload] of [
    [{ op: OP.RW, len: 2 }, 1],
    [{ op: OP.RW, len: 0xffffffff }, 0],
    [{ op: OP.REQUEST, len: 1 }, 0],
  ] as const) {
    const { driver, stream } = open()
    driver.send(fields, new Uint8Array(payload))
    t.true(driver.mmio.needsReset)
    t.is(stream.bytesUnderWay, 0)
    t.deepEqual(stream.calls, ['abort'])
  }
  const { driver } = start()
  driver.send({ op: OP.REQUEST }, new Uint8Array(0), [43])
  t.true(driver.mmio.needsReset)
})

test('a receive buffer too small for a packet needs a reset, and nothing past it is written (CVE-2019-18960)', (t) => {
  for (const rxBytes of [1, 43, 44]) {
    const { driver } = start({ rxBytes })
    driver.send({ op: OP.RW })
    t.true(driver.mmio.needsReset)
    t.deepEqual([...driver.mmio.memory.bytes(0x4000, 500)], new Array(500).fill(0))
  }
})

test('a driver that takes no packets is not listened to any more, until it does (§5.10.6.1)', (t) => {
  const { driver, backend } = start({ rxCount: 0 })
  for (let port = 0; port < VSOCK_RESETS_MAX; port++) driver.send({ op: OP.RW, srcPort: port })
  driver.send({ op: OP.REQUEST })
  t.is(backend.asked.length, 0)
  driver.offer(0x8000)
  driver.mmio.kick(0)
  t.is(backend.asked.length, 1)
})

test('a storm of the same packet is answered once (class 24)', (t) => {
  const { driver } = start({ rxCount: 0 })
  for (let i = 0; i < 1000; i++) driver.send({ op: OP.RW })
  driver.offer(0x8000)
  driver.offer(0x9000)
  driver.mmio.kick(0)
  t.is(driver.take().length, 1)
})

test('a flood of REQUESTs that no host program takes is capped (class 24)', (t) => {
  const { driver, backend } = start()
  for (let port = 0; port < 100; port++) {
    driver.send({ op: OP.REQUEST, srcPort: port })
    driver.take()
  }
  t.is(backend.asked.length, VSOCK_HALF_OPEN_MAX)
})

test('one guest has so many streams and no more, from whichever side they are asked for (class 24)', (t) => {
  const { driver, backend } = start()
  for (let port = 0; port < VSOCK_STREAMS_MAX + 5; port++) {
    driver.send({ op: OP.REQUEST, srcPort: port })
    backend.asked[port]?.listener?.opened()
    driver.take()
  }
  t.is(backend.asked.length, VSOCK_STREAMS_MAX)
  t.is(backend.dial(1), undefined)
  driver.send({ op: OP.RST, srcPort: 0 })
  t.truthy(backend.dial(1))
})

test('a busy stream does not hold up the others', (t) => {
  const { driver, backend, stream } = open({ rxBytes: 64, rxCount: 2 })
  driver.send({ op: OP.REQUEST, srcPort: 2000 })
  backend.asked[1]!.listener!.opened()
  driver.takeAll()
  stream.push(new Uint8Array(10_000))
  backend.asked[1]!.push(bytes('me too'))
  const ports = [...driver.take(), ...driver.take(), ...driver.take()].map(({ dstPort }) => dstPort)
  t.true(ports.includes(2000))
})

test('a reset ends all streams, and the next driver meets none of them (class 5)', (t) => {
  const { driver, stream, backend } = open({ rxCount: 0 })
  const dialled = backend.dial(22)!
  driver.send({ op: OP.RW, srcPort: 5 })
  driver.mmio.write('Status', 0)
  t.is(stream.calls.at(-1), 'abort')
  t.is(dialled.calls.at(-1), 'abort')
  driver.start()
  t.deepEqual(driver.ops(), [])
})

test('after a restore the driver hears TRANSPORT_RESET, once, and the old streams are unknown (§5.10.6.7)', (t) => {
  const { driver, device } = open()
  const restored = start()
  const mmio = new MmioDriver(restored.device, driver.mmio.guarded)
  mmio.transport.restore(JSON.parse(JSON.stringify(driver.mmio.transport.save())))
  mmio.settle()
  device.reset()
  const events = driver.mmio.queue(EVENT)
  const [first, second] = [0x9000, 0x9010].map((gpa) => events.post({ gpa, length: 4, write: true }))
  mmio.memory.bytes(0x9000, 4).fill(0xff)
  mmio.kick(EVENT)
  t.deepEqual(events.takeUsed(), [{ id: first!, length: 4 }])
  t.deepEqual([...mmio.memory.bytes(0x9000, 4)], [0, 0, 0, 0])
  t.not(first, second)
})

test('a driver that had no stream hears of no reset after a restore: the next stream is there to stay', (t) => {
  const { driver } = start()
  const restored = start()
  const mmio = new MmioDriver(restored.device, driver.mmio.guarded)
  mmio.transport.restore(JSON.parse(JSON.stringify(driver.mmio.transport.save())))
  mmio.settle()
  const events = driver.mmio.queue(EVENT)
  events.post({ gpa: 0x9000, length: 4, write: true })
  mmio.kick(EVENT)
  t.deepEqual(events.takeUsed(), [])
})

test('an event buffer too small for any event needs a reset', (t) => {
  const { driver } = open()
  const mmio = new MmioDriver(start().device, driver.mmio.guarded)
  mmio.transport.restore(JSON.parse(JSON.stringify(driver.mmio.transport.save())))
  driver.mmio.queue(EVENT).post({ gpa: 0x9000, length: 3, write: true })
  mmio.kick(EVENT)
  t.true(mmio.needsReset)
})
