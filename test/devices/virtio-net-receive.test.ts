/** Frames into a guest, virtio 1.2 §5.1.6.3 and §5.1.6.4. */
import test from 'ava'
import { createNetWire } from '../../src/backends/net-wire.ts'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import { DriverQueue } from '../helpers/driver-queue.ts'
import { ALL_RING_FEATURES, READY } from '../helpers/mmio-driver.ts'
import { frame, join, MAC, type NetDriver, netHeader, RECEIVEQ, startNet, TRANSMITQ } from '../helpers/net.ts'
import { Card } from '../helpers/net-card.ts'

const F = VIRTIO_NET_F
const createMemory = () => GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(2 ** 21) }])
/** Where tests put receive buffers. */
const BUFFERS = 0x10000

/** Posts receive buffers of these lengths, each in one piece. @returns where each is, by head */
const postBuffers = ({ driver }: NetDriver, lengths: readonly number[], at = BUFFERS): Map<number, number> => {
  const where = new Map<number, number>()
  let gpa = at
  for (const length of lengths) {
    where.set(driver.queue(RECEIVEQ).post({ gpa, length, write: true }), gpa)
    gpa += length
  }
  driver.kick(RECEIVEQ)
  return where
}

test('a frame comes in one buffer that is large enough, and num_buffers is 1 (§5.1.6.4.1)', (t) => {
  for (const features of [0n, F.MRG_RXBUF]) {
    const net = startNet({ features })
    const buffers = postBuffers(net, [1526, 1526])
    const sent = frame(100)
    net.put(join(netHeader({ buffers: 77 }), sent))
    const [got] = net.received(buffers)
    t.deepEqual(got!.frame, join(netHeader({ buffers: 1 }), sent))
    t.is(net.driver.interrupts, 1)
  }
})

test('a large frame fills several merged buffers, each to its end, and says how many (§5.1.6.4.1)', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  const buffers = postBuffers(net, [12, 100, 14, 700, 64, 64])
  const sent = frame(800)
  net.put(join(netHeader(), sent))
  const [got] = net.received(buffers)
  t.deepEqual(got!.frame, join(netHeader({ buffers: 4 }), sent))
  t.deepEqual(
    got!.used.map(({ length }) => length),
    [12, 100, 14, 686],
  )
})

test('buffers taken ahead and not filled are the next frame’s', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  const buffers = postBuffers(net, new Array(8).fill(400))
  for (let seed = 0; seed < 8; seed++) net.put(join(netHeader(), frame(60, seed)))
  const got = net.received(buffers)
  t.deepEqual(
    got.map(({ frame: bytes }) => bytes.slice(12)),
    [...got.keys()].map((seed) => frame(60, seed)),
  )
  t.deepEqual(
    [...buffers.keys()],
    got.flatMap(({ used }) => used.map(({ id }) => id)),
  )
})

test('without a buffer nothing is read: frames wait on the host’s side until the driver has more', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  t.false(net.near.awaiting)
  for (let seed = 0; seed < 3; seed++) net.put(join(netHeader(), frame(60, seed)))
  t.is(net.near.waiting, 3)
  const buffers = postBuffers(net, [200, 200])
  t.is(net.received(buffers).length, 2)
  t.false(net.near.awaiting)
  t.is(net.near.waiting, 1)
  t.is(net.received(postBuffers(net, [200, 200])).length, 1)
  t.true(net.near.awaiting)
})

test('a frame larger than the buffers at hand is kept until there are more, and then whole (MRG_RXBUF)', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  const buffers = postBuffers(net, [100, 100])
  const large = frame(1000, 3)
  net.put(join(netHeader(), large))
  net.put(join(netHeader(), frame(60, 9)))
  t.deepEqual(net.received(buffers), [])
  for (const [head, gpa] of postBuffers(net, [300, 300], BUFFERS + 0x1000)) buffers.set(head, gpa)
  t.deepEqual(net.received(buffers), [])
  for (const [head, gpa] of postBuffers(net, [300, 300], BUFFERS + 0x2000)) buffers.set(head, gpa)
  const got = net.received(buffers)
  t.deepEqual(got[0]!.frame, join(netHeader({ buffers: 5 }), large))
  t.deepEqual(got[1]!.frame, join(netHeader({ buffers: 1 }), frame(60, 9)))
})

test('a frame larger than all a driver can offer is dropped, and the next one arrives', (t) => {
  const net = startNet({ features: F.MRG_RXBUF, size: 4 })
  const buffers = postBuffers(net, [100, 100, 100, 100])
  net.put(join(netHeader(), frame(1000)))
  net.put(join(netHeader(), frame(60)))
  net.driver.settle()
  t.is(net.device.counters().receiveDropped, 1)
  t.deepEqual(net.received(buffers)[0]!.frame, join(netHeader({ buffers: 1 }), frame(60)))
})

test('without VIRTIO_NET_F_MRG_RXBUF a frame larger than its buffer is dropped, not cut (§5.1.6.3)', (t) => {
  const net = startNet({ features: 0n })
  const buffers = postBuffers(net, [100, 100])
  net.put(join(netHeader(), frame(89)))
  net.put(join(netHeader(), frame(88)))
  t.deepEqual(net.received(buffers)[0]!.frame, join(netHeader({ buffers: 1 }), frame(88)))
  t.is(net.device.counters().receiveDropped, 1)
})

test('a receive buffer smaller than the header is a driver’s mistake (§5.1.6.3.1)', (t) => {
  const net = startNet()
  postBuffers(net, [11])
  t.true(net.driver.needsReset)
})

test('frames left over from an earlier driver that this one did not agree to are dropped', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  net.put(join(netHeader({ flags: 1, checksumStart: 34, checksumOffset: 16 }), frame(60)))
  net.put(join(netHeader({ gsoType: 1, gsoSize: 500 }), frame(60)))
  net.put(join(netHeader({ flags: 2 }), frame(60)))
  const got = net.received(postBuffers(net, [200, 200, 200]))
  // DATA_VALID is no promise that needs anything: its flag is cleared, the frame stays (§5.1.6.4.1).
  t.deepEqual(
    got.map(({ frame: bytes }) => bytes.slice(0, 12)),
    [netHeader({ buffers: 1 })],
  )
  t.is(net.device.counters().receiveDropped, 2)
})

test('one turn takes a bounded number of frames, and the rest come in later turns', (t) => {
  const net = startNet({ features: F.MRG_RXBUF, capacity: 256 })
  const { driver } = net
  driver.negotiate(F.MRG_RXBUF | ALL_RING_FEATURES)
  driver.queues[RECEIVEQ] = new DriverQueue(driver.memory, 0x4000, 256)
  driver.setUpQueue(RECEIVEQ, driver.queue(RECEIVEQ))
  driver.write('Status', READY)
  for (let seed = 0; seed < 200; seed++) net.put(join(netHeader(), frame(60, seed)))
  t.is(net.near.waiting, 200)
  const buffers = postBuffers(net, new Array(240).fill(100))
  t.is(net.received(buffers).length, 128)
  t.true(net.near.awaiting)
  net.put(join(netHeader(), frame(60, 100)))
  t.is(net.received(buffers).length, 73)
})

test('a batch of frames costs the guest one interrupt', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  for (let seed = 0; seed < 5; seed++) net.put(join(netHeader(), frame(60, seed)))
  net.received(postBuffers(net, new Array(10).fill(100)))
  t.is(net.driver.interrupts, 1)
})

test('after a driver’s mistake, a reset, or without a receiveq, nobody waits for frames', (t) => {
  const net = startNet({ features: F.MRG_RXBUF })
  postBuffers(net, [2000, 2000])
  t.true(net.near.awaiting)
  net.driver.queue(TRANSMITQ).offer(99)
  net.driver.kick(TRANSMITQ)
  t.true(net.driver.needsReset)
  t.false(net.near.awaiting)

  net.driver.start({ features: F.MRG_RXBUF | ALL_RING_FEATURES })
  postBuffers(net, [2000, 2000])
  t.true(net.near.awaiting)
  net.driver.write('Status', 0)
  t.false(net.near.awaiting)

  net.driver.start({ features: F.MRG_RXBUF | ALL_RING_FEATURES })
  postBuffers(net, [2000, 2000])
  net.driver.write('QueueSel', RECEIVEQ)
  net.driver.write('QueueReady', 0)
  net.put(join(netHeader(), frame(60)))
  t.false(net.near.awaiting)
})

test('two cards joined by a wire pass frames both ways, and one that has no buffers holds the other up', (t) => {
  const { ends } = createNetWire({ capacity: 2 })
  const macs = [MAC, Uint8Array.of(2, 0, 0, 0, 0, 2)] as const
  const cards = ends.map((backend, index) => new Card(backend, createMemory(), macs[index]!))
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const) {
    for (let seed = 0; seed < 10; seed++) cards[from]!.send(join(netHeader(), frame(100, seed, macs[from])))
    t.deepEqual(
      cards[to]!.take().map((bytes) => bytes.subarray(12)),
      Array.from({ length: 10 }, (_, seed) => frame(100, seed, macs[from])),
    )
  }
  cards[1]!.driver.write('Status', 0)
  for (let seed = 0; seed < 4; seed++) cards[0]!.send(join(netHeader(), frame(100, seed, MAC)))
  t.is(ends[1].waiting, 2)
  t.is(cards[0]!.device.counters().sentFrames, 12)
})
