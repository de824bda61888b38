import test from 'ava'
import { createVsockPorts } from '../../src/backends/vsock-ports.ts'
import { virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { createFakeBackend } from '../helpers/vsock-backend.ts'
import { OP, VsockDriver } from '../helpers/vsock-driver.ts'

const AGENT = 1024
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (...parts: readonly Uint8Array[]) => Buffer.concat(parts).toString()
/** Long enough for everything that was put off to a microtask. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

const start = (options: { rxBytes?: number; rxCount?: number } = {}) => {
  const others = createFakeBackend()
  const ports = createVsockPorts(others)
  const driver = new VsockDriver(virtioVsock({ backend: ports }), options)
  return { others, ports, driver }
}

/** A stream from the guest's port 1000 to the host's 1024. */
const accepted = async (options: { rxBytes?: number; rxCount?: number } = {}) => {
  const world = start(options)
  const coming = world.ports.acceptOne(AGENT)
  world.driver.send({ op: OP.REQUEST, dstPort: AGENT })
  const duplex = await coming
  const got: Uint8Array[] = []
  const happened: string[] = []
  duplex.onData((data) => got.push(data))
  duplex.onClosed(() => happened.push('close'))
  duplex.onDrain(() => happened.push('drain'))
  if (options.rxCount !== 0) world.driver.takeAll()
  return { ...world, duplex, got, happened }
}

test('a stream that the guest asks for at a port of this process is answered here, and carries bytes both ways', async (t) => {
  const { ports, driver, others } = start()
  const coming = ports.acceptOne(AGENT)
  driver.send({ op: OP.REQUEST, dstPort: AGENT })
  const duplex = await coming
  t.deepEqual(driver.ops(), [OP.RESPONSE])
  const got: Uint8Array[] = []
  duplex.onData((data) => got.push(data))
  driver.send({ op: OP.RW, dstPort: AGENT }, bytes('hello '))
  driver.send({ op: OP.RW, dstPort: AGENT }, bytes('host'))
  await settled()
  t.is(text(...got), 'hello host')
  t.true(duplex.send(bytes('hello guest')))
  t.is(text(...driver.takeAll().map(({ payload }) => payload)), 'hello guest')
  t.is(others.asked.length, 0)
})

test('only the first stream to that port is this process’s: whatever asks later meets those behind', async (t) => {
  const { driver, others } = await accepted()
  others.refused.add(AGENT)
  driver.send({ op: OP.REQUEST, srcPort: 1001, dstPort: AGENT })
  t.deepEqual(driver.ops(), [OP.RST])
})

test('other ports are those of the backend behind, both ways', (t) => {
  const { driver, others } = start()
  driver.send({ op: OP.REQUEST, dstPort: 80 })
  t.is(others.asked[0]?.hostPort, 80)
  t.not(others.dial(7), undefined)
  t.deepEqual(driver.ops(), [OP.REQUEST])
})

test('a port of the guest that is reserved is not for those behind', (t) => {
  const others = createFakeBackend()
  const driver = new VsockDriver(virtioVsock({ backend: createVsockPorts(others, [AGENT]) }))
  t.is(others.dial(AGENT), undefined)
  t.not(others.dial(AGENT + 1), undefined)
  t.deepEqual(
    driver.takeAll().map(({ dstPort }) => dstPort),
    [AGENT + 1],
  )
})

test('a stream to a port of the guest is there once the guest has taken it', async (t) => {
  const { ports, driver } = start()
  const opening = ports.open(AGENT)
  const [request] = driver.takeAll()
  t.like(request, { op: OP.REQUEST, dstPort: AGENT })
  driver.send({ op: OP.RESPONSE, srcPort: AGENT, dstPort: request!.srcPort })
  const duplex = await opening
  duplex.send(bytes('hi'))
  t.is(text(...driver.takeAll().map(({ payload }) => payload)), 'hi')
})

test('a stream that the guest refuses, or does not answer, is an error that says so', async (t) => {
  const { ports, driver } = start()
  const refused = ports.open(AGENT)
  const [request] = driver.takeAll()
  driver.send({ op: OP.RST, srcPort: AGENT, dstPort: request!.srcPort })
  await t.throwsAsync(refused, { message: 'Cannot reach port 1024 of the guest: nobody listens there.' })
  await t.throwsAsync(ports.open(AGENT, { timeoutMs: 1 }), { message: /did not answer within 0.001 s/ })
})

test('a stream to a guest without a driver is refused at once', async (t) => {
  const ports = createVsockPorts()
  virtioVsock({ backend: ports })
  await t.throwsAsync(ports.open(AGENT), { message: /driver is not there yet/ })
})

test('what waits for the guest is bounded by word: send says when to stop, onDrain when to go on', async (t) => {
  const { duplex, driver, happened } = await accepted({ rxBytes: 8192 })
  driver.take({ refill: false })
  let sent = 0
  while (duplex.send(new Uint8Array(8192).fill(sent % 251))) sent++
  t.true(sent > 4 && sent < 100)
  let received = 0
  for (let round = 0; round < 100 && !happened.includes('drain'); round++) {
    for (const { payload } of driver.take()) received += payload.length
    driver.send({ op: OP.CREDIT_UPDATE, dstPort: AGENT, fwdCnt: received })
    await settled()
  }
  t.deepEqual(happened, ['drain'])
})

test('what the guest sends to one who has paused waits, and earns the guest no credit', async (t) => {
  const { duplex, driver, got } = await accepted({ rxBytes: 8192 })
  duplex.pause()
  const packet = new Uint8Array(65536)
  for (let n = 0; n < 4; n++) driver.send({ op: OP.RW, dstPort: AGENT }, packet)
  await settled()
  t.is(got.length, 0)
  t.deepEqual(driver.ops(), [])
  duplex.resume()
  await settled()
  t.is(text(...got).length, 4 * 65536)
  t.deepEqual(new Set(driver.ops()), new Set([OP.CREDIT_UPDATE]))
})

test('whoever ends a stream hears that it is closed once the guest has agreed, and what was sent has left by then', async (t) => {
  const { duplex, driver, happened } = await accepted()
  duplex.send(bytes('last words'))
  duplex.end()
  await settled()
  const packets = driver.takeAll()
  t.deepEqual(
    packets.map(({ op }) => op),
    [OP.RW, OP.SHUTDOWN],
  )
  t.is(text(packets[0]!.payload), 'last words')
  t.deepEqual(happened, [])
  driver.send({ op: OP.RST, dstPort: AGENT })
  await settled()
  t.deepEqual(happened, ['close'])
})

for (const [how, packet] of [
  ['both its sides', { op: OP.SHUTDOWN, flags: 3 }],
  ['its sending side', { op: OP.SHUTDOWN, flags: 2 }],
  ['it by force', { op: OP.RST }],
] as const) {
  test(`a guest that closes ${how} is heard of after all that it had sent`, async (t) => {
    const { driver, got, happened, duplex } = await accepted()
    duplex.onClosed(() => happened.push(`close after ${text(...got)}`))
    driver.send({ op: OP.RW, dstPort: AGENT }, bytes('bye'))
    driver.send({ ...packet, dstPort: AGENT })
    await settled()
    driver.takeAll()
    driver.send({ op: OP.RST, dstPort: AGENT })
    await settled()
    t.deepEqual(happened, ['close after bye'])
  })
}

test('a stream whose device is reset is closed, and sending to it is of no consequence', async (t) => {
  const { driver, duplex, happened } = await accepted()
  driver.mmio.write('Status', 0)
  await settled()
  t.deepEqual(happened, ['close'])
  t.true(duplex.send(bytes('nobody')))
  duplex.end()
  duplex.destroy()
  await settled()
  t.deepEqual(happened, ['close'])
})

test('a stream that is destroyed drops what waits', async (t) => {
  const { duplex, driver, happened } = await accepted({ rxCount: 0 })
  duplex.send(bytes('never'))
  duplex.destroy()
  await settled()
  t.deepEqual(happened, ['close'])
  driver.start()
  t.false(driver.takeAll().some(({ payload }) => payload.length > 0))
})
