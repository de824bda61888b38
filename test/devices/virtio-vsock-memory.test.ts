/** What one guest can make its VMM hold for its streams: bounded for all of them together. */
import test from 'ava'
import fc from 'fast-check'
import { VSOCK_STREAMS_MAX, virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { VSOCK_BYTES_MAX } from '../../src/devices/virtio-vsock-allowance.ts'
import { VSOCK_BUFFER_BYTES, VSOCK_BUFFER_MIN_BYTES } from '../../src/devices/virtio-vsock-credit.ts'
import { createFakeBackend } from '../helpers/vsock-backend.ts'
import { OP, VsockDriver } from '../helpers/vsock-driver.ts'

const start = () => {
  const backend = createFakeBackend()
  const driver = new VsockDriver(virtioVsock({ backend, after: () => () => {} }))
  let nextPort = 1
  /** @returns what the device grants it */
  const open = (): { srcPort: number; granted: number } => {
    const srcPort = nextPort++
    driver.send({ op: OP.REQUEST, srcPort })
    backend.asked.at(-1)!.listener!.opened()
    const response = driver.takeAll().find(({ op, dstPort }) => op === OP.RESPONSE && dstPort === srcPort)
    return { srcPort, granted: response?.bufAlloc ?? 0 }
  }
  const fill = ({ srcPort, granted }: { srcPort: number; granted: number }) => {
    for (let left = granted; left > 0; left -= 0x10000)
      driver.send({ op: OP.RW, srcPort }, new Uint8Array(Math.min(left, 0x10000)))
  }
  const held = () => backend.asked.reduce((sum, { bytesUnderWay, limit }) => sum + bytesUnderWay + limit, 0)
  return { backend, driver, open, fill, held }
}

test('a guest with as many streams as it may have, none of which is read, is granted a bounded amount', (t) => {
  const { backend, open, fill, held } = start()
  const streams = Array.from({ length: VSOCK_STREAMS_MAX }, open)
  t.true(streams.every(({ granted }) => granted >= VSOCK_BUFFER_MIN_BYTES && granted <= VSOCK_BUFFER_BYTES))
  t.is(streams[0]!.granted, VSOCK_BUFFER_BYTES)
  t.is(streams[15]!.granted, VSOCK_BUFFER_BYTES, 'a guest with a few streams notices nothing')
  for (const stream of streams) fill(stream)
  t.true(held() <= VSOCK_BYTES_MAX, `${held()} bytes`)
  t.is(
    backend.asked.reduce((sum, { bytesUnderWay }) => sum + bytesUnderWay, 0),
    streams.reduce((sum, { granted }) => sum + granted, 0),
    'all that was granted may be used',
  )
})

test('a stream that sends more than it was granted is reset, however small that is', (t) => {
  const { backend, driver, open } = start()
  const { srcPort, granted } = Array.from({ length: VSOCK_STREAMS_MAX }, open).at(-1)!
  t.true(granted < VSOCK_BUFFER_BYTES / 4)
  driver.send({ op: OP.RW, srcPort }, new Uint8Array(granted))
  t.deepEqual(driver.ops(), [])
  driver.send({ op: OP.RW, srcPort }, new Uint8Array(1))
  t.deepEqual(driver.ops(), [OP.RST])
  t.deepEqual(backend.asked.at(-1)!.calls, ['abort'])
})

test('a small stream hears of room in time: its driver never waits for ever', (t) => {
  const { backend, driver, open } = start()
  const { srcPort, granted } = Array.from({ length: VSOCK_STREAMS_MAX }, open).at(-1)!
  driver.send({ op: OP.RW, srcPort }, new Uint8Array(granted))
  backend.asked.at(-1)!.deliver()
  t.like(driver.takeAll()[0], { op: OP.CREDIT_UPDATE, dstPort: srcPort, bufAlloc: granted, fwdCnt: granted })
})

test('whatever streams come, are filled and go, what is held stays bounded, and room comes back', (t) => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ act: fc.constant('open' as const), which: fc.integer({ min: 1, max: 40 }) }) },
    fc.record({ act: fc.constantFrom('close', 'shutdown', 'gone', 'die', 'fill', 'deliver'), which: fc.nat() }),
  )
  let most = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
      const { backend, driver, open, fill, held } = start()
      const streams = Array.from({ length: 40 }, open)
      for (const stream of streams) fill(stream)
      for (const { act, which } of steps) {
        const stream = streams[which % (streams.length || 1)]
        const host = backend.asked.find(({ listener }) => listener)
        if (act === 'open') {
          for (let i = 0; i < which && streams.length < VSOCK_STREAMS_MAX; i++) streams.push(open())
        } else if (act === 'close' && stream) {
          driver.send({ op: OP.RST, srcPort: stream.srcPort })
          streams.splice(streams.indexOf(stream), 1)
        } else if (act === 'shutdown' && stream) {
          driver.send({ op: OP.SHUTDOWN, srcPort: stream.srcPort, flags: 3 })
          streams.splice(streams.indexOf(stream), 1)
        } else if (act === 'gone') {
          for (const one of backend.asked) if (one.over) one.release()
        } else if (act === 'fill') {
          for (const { srcPort, granted } of streams.slice(which % (streams.length || 1))) {
            driver.send({ op: OP.RW, srcPort }, new Uint8Array(Math.min(granted, 0x10000)))
            // What goes beyond its credit is reset; while many resets wait to be read, nothing more is taken.
            driver.takeAll()
          }
        } else if (act === 'deliver') host?.deliver()
        else if (act === 'die') host?.die()
        driver.takeAll()
        // Streams that were given up hold nothing: the fake one keeps its pieces for tests to look at.
        for (const gone of backend.asked) if (!gone.listener && !gone.over) gone.release()
        most = Math.max(most, held())
        if (held() > VSOCK_BYTES_MAX) throw new Error(`${held()} bytes are held`)
      }
      driver.start()
      for (const gone of backend.asked) gone.release()
      if (open().granted !== VSOCK_BUFFER_BYTES) throw new Error('after a reset not all room is back')
    }),
    { numRuns: 60 },
  )
  t.true(most > VSOCK_BYTES_MAX / 2, `${most} bytes at most: the bound was never near`)
})
