/** Frames out of a guest, virtio 1.2 §5.1.6.2. */
import test from 'ava'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_TCPV4,
} from '../../src/devices/virtio-net-header.ts'
import { DriverQueue } from '../helpers/driver-queue.ts'
import { READY } from '../helpers/mmio-driver.ts'
import { DATA, frame, type HeaderFields, join, netHeader, startNet, TRANSMITQ } from '../helpers/net.ts'

const F = VIRTIO_NET_F

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
