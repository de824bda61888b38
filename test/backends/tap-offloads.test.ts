/** Two cards, each on a tap, on one bridge of the host: large frames cross it in one piece, or are cut by Linux. */
import test, { type ExecutionContext } from 'ava'
import { Reactor } from '../../src/backends/reactor.ts'
import { attachTap, type Tap } from '../../src/backends/tap.ts'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import { allocateRam } from '../../src/memory/ram.ts'
import { join, netHeader } from '../helpers/net.ts'
import { Card, onesSum, u16, until } from '../helpers/net-card.ts'
import { ip, makeTap, whyNoTaps } from '../helpers/taps.ts'

const F = VIRTIO_NET_F
const reason = whyNoTaps()
const tapTest = reason === undefined ? test.serial : test.serial.skip
if (reason !== undefined) test(`tests with taps are skipped: ${reason}`, (t) => t.pass())

const [A, B] = [Uint8Array.of(2, 0, 0, 0, 0, 0xa), Uint8Array.of(2, 0, 0, 0, 0, 0xb)]
const HEADERS = 14 + 20 + 20
const SEGMENT = 1448

/** A TCP segment over IPv4 from A to B, far larger than an MTU; its checksum is the pseudo header's. RFC 9293 */
const tcpFrame = (payload: Uint8Array): Uint8Array => {
  const addresses = Uint8Array.of(198, 18, 252, 1, 198, 18, 252, 2)
  const pseudo = onesSum(join(addresses, u16(6), u16(20 + payload.length)))
  const tcp = join(u16(1), u16(2), new Uint8Array(8), Uint8Array.of(0x50, 0x10, 0x10, 0), u16(pseudo), u16(0))
  const header = join(
    Uint8Array.of(0x45, 0),
    u16(40 + payload.length),
    Uint8Array.of(0, 1, 0x40, 0, 64, 6, 0, 0),
    addresses,
  )
  header.set(u16(~onesSum(header) & 0xffff), 10)
  return join(B, A, u16(0x0800), header, tcp, payload)
}

const withBridge = async (t: ExecutionContext, use: (taps: [Tap, Tap]) => Promise<void>): Promise<void> => {
  const hosts = [makeTap(), makeTap()] as const
  const bridge = `${hosts[0].name}b`
  const reactor = new Reactor((error) => t.fail(error.message))
  const taps: Tap[] = []
  try {
    ip('link', 'add', bridge, 'type', 'bridge')
    ip('link', 'set', bridge, 'up')
    for (const { name } of hosts) {
      taps.push(attachTap(name, reactor))
      ip('link', 'set', name, 'master', bridge)
    }
    reactor.start()
    await until(t, 'a bridge that forwards', () =>
      hosts.every(({ name }) => ip('-d', 'link', 'show', name).includes('state forwarding')) ? true : undefined,
    )
    await use(taps as [Tap, Tap])
  } finally {
    for (const tap of taps) tap.close()
    await reactor.close()
    for (const host of hosts) host.remove()
    ip('link', 'del', bridge)
  }
}

const payload = Uint8Array.from({ length: 40 * SEGMENT }, (_, at) => (at >> 8) ^ at)
const large = join(
  netHeader({ flags: 1, gsoType: 1, gsoSize: SEGMENT, headerLength: HEADERS, checksumStart: 34, checksumOffset: 16 }),
  tcpFrame(payload),
)

const cross = async (t: ExecutionContext, features: bigint): Promise<Uint8Array[]> => {
  const frames: Uint8Array[] = []
  const rams = [allocateRam(4 * 2 ** 20), allocateRam(4 * 2 ** 20)] as const
  const cards: Card[] = []
  try {
    await withBridge(t, async ([near, far]) => {
      const sender = new Card(near, rams[0].memory, A)
      const receiver = new Card(far, rams[1].memory, B, features)
      cards.push(sender, receiver)
      sender.send(large)
      t.is(sender.device.counters().sentFrames, 1)
      await until(t, 'the payload', () => {
        frames.push(...receiver.take().filter((bytes) => bytes[12 + 23] === 6))
        return frames.reduce((sum, bytes) => sum + bytes.length - 12 - HEADERS, 0) >= payload.length ? true : undefined
      })
      t.is(receiver.device.counters().receiveDropped, 0)
      for (const card of cards) card.driver.transport.reset()
    })
  } finally {
    for (const ram of rams) ram.close()
  }
  return frames
}

const payloadOf = (frames: readonly Uint8Array[]) => join(...frames.map((bytes) => bytes.subarray(12 + HEADERS)))

tapTest('a frame of forty TCP segments reaches a guest that agreed to such in one piece (GUEST_TSO4)', async (t) => {
  const frames = await cross(t, F.MRG_RXBUF | F.GUEST_CSUM | F.GUEST_TSO4)
  t.is(frames.length, 1)
  t.deepEqual([...frames[0]!.subarray(0, 2)], [1, 1])
  t.is(frames[0]![10], Math.ceil(large.length / 2048))
  t.deepEqual(payloadOf(frames), payload)
})

tapTest('the same frame reaches a guest without offloads as forty, each with its checksum', async (t) => {
  const frames = await cross(t, F.MRG_RXBUF)
  t.is(frames.length, 40)
  for (const bytes of frames) {
    t.deepEqual([...bytes.subarray(0, 2)], [0, 0])
    const tcp = bytes.subarray(12 + 34)
    const pseudo = join(bytes.subarray(12 + 26, 12 + 34), u16(6), u16(tcp.length))
    t.is(onesSum(join(pseudo, tcp)), 0xffff)
  }
  t.deepEqual(payloadOf(frames), payload)
})
