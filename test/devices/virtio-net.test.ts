import test from 'ava'
import { createNetWire } from '../../src/backends/net-wire.ts'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_TCPV4,
} from '../../src/devices/virtio-net-header.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import type { RateLimit } from '../../src/virtio/rate-limiter.ts'
import type { JsonObject } from '../../src/virtio/saved-state.ts'
import { DriverQueue } from '../helpers/driver-queue.ts'
import { ALL_RING_FEATURES, READY } from '../helpers/mmio-driver.ts'
import {
  ALL_OFFLOADS,
  CONTROLQ,
  DATA,
  frame,
  type HeaderFields,
  join,
  MAC,
  type NetDriver,
  netHeader,
  RECEIVEQ,
  startNet,
  TRANSMITQ,
} from '../helpers/net.ts'
import { Card } from '../helpers/net-card.ts'
import { TestClock } from '../helpers/test-clock.ts'

const F = VIRTIO_NET_F
const createMemory = () => GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(2 ** 21) }])
const NONE = { checksum: false, tso4: false, tso6: false, ecn: false, uso: false }
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

// --- configuration space, §5.1.4 ---

test('virtio-net is device 1 with a receiveq, a transmitq and a controlq (§5.1.2)', (t) => {
  const { driver, device } = startNet()
  t.is(driver.read('DeviceID'), 1)
  t.deepEqual(
    device.queues.map(({ name }) => name),
    ['receiveq', 'transmitq', 'controlq'],
  )
})

test('the configuration space tells address, link status, one pair of queues, and MTU (§5.1.4)', (t) => {
  const { driver } = startNet({ mtu: 1400 })
  t.deepEqual([...driver.readConfig(0, 12)], [...MAC, 1, 0, 1, 0, 1400 & 0xff, 1400 >> 8])
})

test('pulling the plug clears VIRTIO_NET_S_LINK_UP and tells the driver (§5.1.4.2)', (t) => {
  const { driver, plug } = startNet()
  const before = driver.read('ConfigGeneration')
  plug(false)
  t.is(driver.readConfig(6, 2)[0], 0)
  t.is(driver.read('InterruptStatus') & 2, 2)
  t.not(driver.read('ConfigGeneration'), before)
  plug(true)
  t.is(driver.readConfig(6, 2)[0], 1)
})

test('without VIRTIO_NET_F_STATUS the driver is not told of the link', (t) => {
  const { driver, plug } = startNet({ features: 0n })
  plug(false)
  t.is(driver.interrupts, 0)
})

// --- transmission, §5.1.6.2 ---

test('a frame goes out whole, however the driver cuts it into buffers (§5.1.6.2)', (t) => {
  const net = startNet()
  const whole = join(netHeader(), frame(200))
  for (const cuts of [
    [212],
    [12, 200],
    [1, 11, 14, 186],
    [25, 1, 186],
    [26, 186],
    [27, 185],
    [...new Array(14).fill(1), 198],
  ]) {
    net.transmit(whole, cuts)
    t.deepEqual(net.arrived(), whole, cuts.join(' '))
    t.is(net.driver.queue(TRANSMITQ).takeUsed()[0]!.length, 0)
  }
})

test('frames that are too short or too long are dropped, and the driver gets its buffers back (class 23)', (t) => {
  const net = startNet()
  for (const bytes of [
    new Uint8Array(1),
    netHeader(),
    join(netHeader(), frame(13)),
    join(netHeader(), frame(1500 + 14 + 8 + 1)),
  ]) {
    net.transmit(bytes)
    t.is(net.arrived(), undefined, `${bytes.length} bytes`)
    t.is(net.driver.queue(TRANSMITQ).takeUsed().length, 1)
  }
  net.transmit(join(netHeader(), frame(14)))
  t.is(net.arrived()?.length, 26)
  t.is(net.device.counters().sendDropped, 4)
  t.false(net.driver.needsReset)
})

test('a frame from an address that is not the card’s is dropped (class 23)', (t) => {
  const net = startNet()
  net.transmit(join(netHeader(), frame(64, 0, Uint8Array.of(2, 0, 0, 0, 0, 2))))
  t.is(net.arrived(), undefined)
  t.is(net.device.counters().sendDropped, 1)
})

test('one turn moves a bounded number of bytes, however large its frames: other devices wait (class 34)', (t) => {
  const net = startNet({ ramBytes: 2 ** 20 })
  const bytes = 60_000
  const gso = netHeader({ flags: 1, gsoType: 1, gsoSize: 1448, checksumStart: 34, checksumOffset: 16 })
  net.driver.memory.bytes(0x10000, bytes).set(join(gso, frame(bytes - 12)))
  const frames = 256
  net.driver.negotiate(net.driver.offeredFeatures())
  net.driver.queues[TRANSMITQ] = new DriverQueue(net.driver.memory, 0x4000, frames)
  net.driver.setUpQueue(TRANSMITQ, net.driver.queue(TRANSMITQ))
  net.driver.write('Status', READY)
  for (let i = 0; i < frames; i++) net.driver.queue(TRANSMITQ).post({ gpa: 0x10000, length: bytes })
  net.driver.kick(TRANSMITQ)
  const most = 2 * 2 ** 20 + bytes
  t.true(net.device.counters().sentBytes > 0 && net.device.counters().sentBytes <= most)
  net.driver.settle()
  t.is(net.device.counters().sentFrames, frames)
})

const LIES: readonly (HeaderFields & { what: string; features?: bigint })[] = [
  { what: 'a checksum past the end', flags: 1, checksumStart: 34, checksumOffset: 65 },
  { what: 'a checksum that wraps 16 bits', flags: 1, checksumStart: 0xffff, checksumOffset: 0xffff },
  { what: 'a checksum in the Ethernet header', flags: 1, checksumStart: 13, checksumOffset: 6 },
  { what: 'a checksum nobody agreed on', flags: 1, checksumStart: 34, checksumOffset: 16, features: 0n },
  { what: 'segments of no size', flags: 1, checksumStart: 34, checksumOffset: 16, gsoType: 1, gsoSize: 0 },
  { what: 'segments without a checksum', gsoType: 1, gsoSize: 500 },
  { what: 'segments of unknown kind', flags: 1, checksumStart: 34, checksumOffset: 16, gsoType: 2, gsoSize: 9 },
  { what: 'UDP fragments', flags: 1, checksumStart: 34, checksumOffset: 6, gsoType: 3, gsoSize: 9 },
  { what: 'ECN alone', flags: 1, checksumStart: 34, checksumOffset: 16, gsoType: 0x80, gsoSize: 9 },
  { what: 'ECN for UDP', flags: 1, checksumStart: 34, checksumOffset: 6, gsoType: 0x85, gsoSize: 9 },
  {
    what: 'segments nobody agreed on',
    flags: 1,
    checksumStart: 34,
    checksumOffset: 16,
    gsoType: 1,
    gsoSize: 9,
    features: F.CSUM | F.HOST_TSO6,
  },
  {
    what: 'segments agreed on without checksums',
    flags: 1,
    checksumStart: 34,
    checksumOffset: 16,
    gsoType: 1,
    gsoSize: 9,
    features: F.HOST_TSO4,
  },
]

for (const { what, features, ...fields } of LIES) {
  test(`a header that promises ${what} never reaches the host (class 23)`, (t) => {
    const net = startNet({ features })
    net.transmit(join(netHeader(fields), frame(100)))
    t.is(net.arrived(), undefined)
    t.is(net.device.counters().sendDropped, 1)
  })
}

test('what a driver has no say in is cleared: other flags, the number of buffers, hints that cannot be true', (t) => {
  const net = startNet()
  const lie = { flags: 0xfe, headerLength: 0xffff, gsoSize: 7, checksumStart: 3, checksumOffset: 4, buffers: 0x1234 }
  net.transmit(join(netHeader(lie), frame(100)))
  t.deepEqual(net.arrived()?.subarray(0, 12), netHeader())

  const segmented = { flags: 1, gsoType: 1, gsoSize: 500, checksumStart: 34, checksumOffset: 16 }
  for (const [headerLength, expected] of [
    [54, 54],
    [13, 0],
    [101, 0],
  ] as const) {
    net.transmit(join(netHeader({ ...segmented, headerLength, buffers: 9 }), frame(100)))
    t.deepEqual(net.arrived()?.subarray(0, 12), netHeader({ ...segmented, headerLength: expected }))
  }
})

test('a frame of many TCP segments may be as long as IP allows, any other no longer than the MTU', (t) => {
  const net = startNet()
  const gso = {
    flags: VIRTIO_NET_HDR_F_NEEDS_CSUM,
    gsoType: VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
    gsoSize: 1448,
    checksumStart: 34,
    checksumOffset: 16,
  }
  net.transmit(join(netHeader(gso), frame(65_535 + 14)))
  t.is(net.arrived()?.length, 65_535 + 14 + 12)
  net.transmit(join(netHeader({ ...gso, gsoType: 0 }), frame(65_535 + 14)))
  t.is(net.arrived(), undefined)
})

test('a header changed by the driver after it was checked is not the one that goes out (class 19)', (t) => {
  const net = startNet({ capacity: 1 })
  const first = join(netHeader(), frame(60))
  net.transmit(first)
  net.transmit(first, [72], DATA + 0x1000)
  // The second waits for room, with its header checked already.
  net.driver.memory.bytes(DATA + 0x1000, 26).fill(0xff)
  net.arrived()
  t.deepEqual(net.arrived()?.subarray(0, 26), first.subarray(0, 26))
})

test('frames wait, in order, while the host has no room, and go out when it has', (t) => {
  const net = startNet({ capacity: 2 })
  const frames = [0, 1, 2, 3, 4].map((seed) => join(netHeader(), frame(60, seed)))
  for (const [index, bytes] of frames.entries()) net.transmit(bytes, [72], DATA + 0x100 * index)
  t.is(net.driver.queue(TRANSMITQ).takeUsed().length, 2)
  for (const bytes of frames) t.deepEqual(net.arrived(), bytes)
  t.is(net.driver.queue(TRANSMITQ).takeUsed().length, 3)
})

// --- reception, §5.1.6.3 and §5.1.6.4 ---

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

// --- offloads, §5.1.3.1, §5.1.6.5.6 ---

test('the host is told which offloads were negotiated, and forgets them at reset', (t) => {
  const net = startNet()
  t.deepEqual(net.near.toGuest, ALL_OFFLOADS)
  net.driver.write('Status', 0)
  t.deepEqual(net.near.toGuest, NONE)
  net.driver.start({ features: net.driver.offeredFeatures() & ~(F.GUEST_TSO6 | F.GUEST_USO4) })
  t.deepEqual(net.near.toGuest, { ...ALL_OFFLOADS, tso6: false, uso: false })
})

test('an offload taken without the one it needs is not given (§5.1.3.1)', (t) => {
  t.deepEqual(startNet({ features: F.GUEST_TSO4 | F.GUEST_TSO6 }).near.toGuest, NONE)
  t.deepEqual(startNet({ features: F.GUEST_CSUM | F.GUEST_ECN }).near.toGuest, { ...NONE, checksum: true })
})

test('a backend without offloads has none on offer', (t) => {
  const { driver } = startNet({ offloads: NONE })
  const offered = driver.offeredFeatures()
  for (const feature of [F.CSUM, F.GUEST_CSUM, F.HOST_TSO4, F.GUEST_TSO6, F.HOST_USO]) t.is(offered & feature, 0n)
})

const command = (net: NetDriver, bytes: number[]): number => {
  net.driver.memory.bytes(DATA, 64).fill(0xee)
  net.driver.memory.bytes(DATA, bytes.length).set(bytes)
  const queue = net.driver.queue(CONTROLQ)
  queue.post({ gpa: DATA, length: bytes.length }, { gpa: DATA + 64, length: 1, write: true })
  net.driver.kick(CONTROLQ)
  expectOne(queue.takeUsed().length)
  return net.driver.memory.bytes(DATA + 64, 1)[0]!
}
const expectOne = (used: number) => {
  if (used !== 1) throw new Error(`${used} answers`)
}
const le64 = (bits: bigint) => [...new Uint8Array(BigUint64Array.of(bits).buffer)]

test('VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET switches what was negotiated, and nothing else (§5.1.6.5.6)', (t) => {
  const net = startNet({ features: F.CTRL_VQ | F.CTRL_GUEST_OFFLOADS | F.GUEST_CSUM | F.GUEST_TSO4 })
  t.is(command(net, [5, 0, ...le64(F.GUEST_CSUM)]), 0)
  t.deepEqual(net.near.toGuest, { ...NONE, checksum: true })
  t.is(command(net, [5, 0, ...le64(F.GUEST_CSUM | F.GUEST_TSO6)]), 1)
  t.is(command(net, [5, 0, ...le64(F.MAC)]), 1)
  t.deepEqual(net.near.toGuest, { ...NONE, checksum: true })
  t.is(command(net, [5, 0, ...le64(F.GUEST_CSUM | F.GUEST_TSO4)]), 0)
  t.deepEqual(net.near.toGuest, { ...NONE, checksum: true, tso4: true })
})

test('a control command of another kind, or of the wrong length, is answered with VIRTIO_NET_ERR (§5.1.6.5)', (t) => {
  const net = startNet()
  for (const bytes of [
    [0, 0, 1],
    [5, 1, ...le64(0n)],
    [5, 0],
    [5, 0, ...le64(0n), 0],
  ])
    t.is(command(net, bytes), 1)
  t.false(net.driver.needsReset)
})

test('the card keeps its address: a driver that wants another is told no, not cut off (§5.1.6.5.2)', (t) => {
  const net = startNet()
  t.not(net.driver.offeredFeatures() & F.CTRL_MAC_ADDR, 0n)
  t.is(command(net, [1, 1, ...MAC]), 0)
  t.is(command(net, [1, 1, 2, 0, 0, 0, 0, 2]), 1)
  t.is(command(net, [1, 1, ...MAC.subarray(1)]), 1)
  t.deepEqual([...net.driver.readConfig(0, 6)], [...MAC])
  net.transmit(join(netHeader(), frame(60)))
  t.truthy(net.arrived())
})

test('saved offloads that were never negotiated are not asked of the host (class 32)', (t) => {
  const net = startNet({ features: F.CTRL_VQ | F.CTRL_GUEST_OFFLOADS | F.GUEST_CSUM })
  const state = net.driver.transport.save()
  const deviceState = { ...(state.deviceState as JsonObject), guestOffloads: '0xffffffffffffffff' }
  const other = startNet()
  other.driver.transport.restore({ ...state, deviceState })
  t.deepEqual(other.near.toGuest, { ...NONE, checksum: true })
})

// --- a rate, in each direction ---

const startPaced = (rate: RateLimit) => {
  const clock = new TestClock()
  const [near, far] = createNetWire().ends
  const card = new Card(near, createMemory(), MAC, undefined, { rate, clock })
  return { clock, card, far }
}

test('a rate lets out as many frames as it says, and the rest when their time comes', (t) => {
  const { clock, card } = startPaced({ operationsPerSecond: 20 })
  const sent = () => card.device.counters().sentFrames
  for (let seed = 0; seed < 10; seed++) card.send(join(netHeader(), frame(60, seed)))
  // A tenth of a second is worth 2 frames, and one more passes in debt.
  t.is(sent(), 3)
  clock.advance(49)
  t.is(sent(), 3)
  clock.advance(1)
  t.is(sent(), 4)
  clock.advance(300)
  t.is(sent(), 10)
})

test('a rate counts the bytes of frames that came, not of the buffers taken for them', (t) => {
  const { clock, card, far } = startPaced({ bytesPerSecond: 10_000 })
  for (let seed = 0; seed < 60; seed++) far.send(join(netHeader(), frame(88, seed)), [], 0)
  // A tenth of a second's worth, and one buffer of 2048 in debt.
  t.true(card.take().length <= 31)
  clock.advance(600)
  t.is(card.device.counters().receivedFrames, 60)
  // Three quarters of a second at 100 frames a second would be 75: what is left over is not saved up.
  for (let seed = 0; seed < 120; seed++) far.send(join(netHeader(), frame(88, seed)), [], 0)
  card.take()
  clock.advance(500)
  t.true(card.device.counters().receivedFrames <= 60 + 31 + 50)
})

test('a frame larger than what the rate allows at once arrives whole, in its time', (t) => {
  const { clock, card, far } = startPaced({ bytesPerSecond: 100_000 })
  const large = frame(40_000)
  far.send(join(netHeader(), large), [], 0)
  far.send(join(netHeader(), frame(60, 9)), [], 0)
  t.deepEqual(card.take(), [])
  clock.advance(1000)
  t.deepEqual(
    card.take().map((bytes) => bytes.subarray(12)),
    [large, frame(60, 9)],
  )
})

test('no timer of a rate outlives a reset', (t) => {
  const { clock, card, far } = startPaced({ bytesPerSecond: 1000, operationsPerSecond: 10 })
  for (let seed = 0; seed < 10; seed++) {
    card.send(join(netHeader(), frame(1000, seed)))
    far.send(join(netHeader(), frame(1000, seed)), [], 0)
  }
  t.is(clock.timers, 2)
  card.driver.write('Status', 0)
  t.is(clock.timers, 0)
})

test('offloads that a driver switched off stay off in another process (saved state)', (t) => {
  const net = startNet()
  command(net, [5, 0, ...le64(0n)])
  const state = JSON.parse(JSON.stringify(net.driver.transport.save()))
  const other = startNet()
  other.driver.transport.restore(state)
  t.deepEqual(other.near.toGuest, NONE)
})
