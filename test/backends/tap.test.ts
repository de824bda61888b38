/** A real tap of the host behind a card whose driver is the test's. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { Reactor } from '../../src/backends/reactor.ts'
import { attachTap, type Tap } from '../../src/backends/tap.ts'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import { allocateRam } from '../../src/memory/ram.ts'
import { join, MAC, netHeader, TRANSMITQ } from '../helpers/net.ts'
import { Card, onesSum, u16, until } from '../helpers/net-card.ts'
import { type HostTap, makeTap, whyNoTaps } from '../helpers/taps.ts'

const reason = whyNoTaps()
const tapTest = reason === undefined ? test.serial : test.serial.skip
if (reason !== undefined) test(`tests with a tap are skipped: ${reason}`, (t) => t.pass())

interface Bench {
  readonly host: HostTap
  readonly tap: Tap
  readonly reactor: Reactor
  card(features?: bigint): Card
}

const withTap = async (
  t: ExecutionContext,
  options: { mtu?: number; up?: boolean },
  use: (bench: Bench) => Promise<void>,
): Promise<void> => {
  const host = makeTap(options)
  const reactor = new Reactor((error) => t.fail(error.message))
  const ram = allocateRam(4 * 2 ** 20)
  let tap: Tap | undefined
  let card: Card | undefined
  try {
    tap = attachTap(host.name, reactor)
    reactor.start()
    const opened = tap
    await use({
      host,
      tap: opened,
      reactor,
      card(features) {
        card = new Card(opened, ram.memory, MAC, features)
        return card
      },
    })
  } finally {
    card?.driver.transport.reset()
    tap?.close()
    await reactor.close()
    ram.close()
    host.remove()
  }
}

const addressBytes = (address: string) => Uint8Array.from(address.split('.'), Number)
const ETH_ARP = 0x0806
const ETH_IP = 0x0800
const etherType = (bytes: Uint8Array) => (bytes[24]! << 8) | bytes[25]!

const arpReply = (request: Uint8Array): Uint8Array => {
  const asker = request.subarray(12 + 6, 12 + 12)
  const reply = request.slice()
  reply.fill(0, 0, 12)
  reply.set(asker, 12)
  reply.set(MAC, 18)
  reply[12 + 21] = 2
  reply.set(MAC, 12 + 22)
  reply.set(request.subarray(12 + 38, 12 + 42), 12 + 28)
  reply.set(request.subarray(12 + 22, 12 + 32), 12 + 32)
  return reply
}

/** A UDP datagram of the guest; `checksum` as it stands in the header, 0 for none. RFC 768 */
const datagram = (host: HostTap, hostMac: Uint8Array, port: number, payload: Uint8Array, checksum = 0): Uint8Array => {
  const udp = join(u16(4000), u16(port), u16(8 + payload.length), u16(checksum), payload)
  const ip = join(
    Uint8Array.of(0x45, 0),
    u16(20 + udp.length),
    Uint8Array.of(0, 1, 0, 0, 64, 17, 0, 0),
    addressBytes(host.guestAddress),
    addressBytes(host.hostAddress),
  )
  ip.set(u16(~onesSum(ip) & 0xffff), 10)
  return join(hostMac, MAC, u16(ETH_IP), ip, udp)
}

const pseudoSum = (host: HostTap, length: number): number =>
  onesSum(join(addressBytes(host.guestAddress), addressBytes(host.hostAddress), u16(17), u16(length)))

const openSocket = async (host: HostTap) => {
  const socket = createSocket('udp4')
  socket.bind(0, host.hostAddress)
  await once(socket, 'listening')
  return socket
}

/** Has the host ask for the guest's address, answers, and gives the first datagram and the host's address. */
const meet = async (t: ExecutionContext, card: Card, say: (bytes: Uint8Array) => void) => {
  say(new TextEncoder().encode('hello guest'))
  const request = await until(t, 'an ARP request', () => card.take().find((bytes) => etherType(bytes) === ETH_ARP))
  card.send(arpReply(request))
  const first = await until(t, 'the datagram', () => card.take().find((bytes) => etherType(bytes) === ETH_IP))
  return { hostMac: request.slice(18, 24), first }
}

tapTest('the host asks for the guest by ARP, and datagrams pass both ways', async (t) => {
  await withTap(t, {}, async ({ host, card: makeCard }) => {
    const card = makeCard(VIRTIO_NET_F.MRG_RXBUF)
    const socket = await openSocket(host)
    try {
      const { hostMac, first } = await meet(t, card, (bytes) => socket.send(bytes, 4000, host.guestAddress))
      t.true(Buffer.from(first).includes('hello guest'))
      t.deepEqual(first.subarray(12, 18), MAC)
      const heard = once(socket, 'message')
      card.send(join(netHeader(), datagram(host, hostMac, socket.address().port, Buffer.from('hello host'))))
      const [message] = await heard
      t.is(String(message), 'hello host')
    } finally {
      socket.close()
    }
  })
})

tapTest('the host works out a checksum that the guest left to it (VIRTIO_NET_F_CSUM)', async (t) => {
  await withTap(t, {}, async ({ host, card: makeCard }) => {
    const card = makeCard()
    const socket = await openSocket(host)
    try {
      const { hostMac } = await meet(t, card, (bytes) => socket.send(bytes, 4000, host.guestAddress))
      const payload = Buffer.from('sum me up!')
      const bytes = datagram(host, hostMac, socket.address().port, payload, pseudoSum(host, 8 + payload.length))
      const heard = once(socket, 'message')
      // A wrong one first: the host would drop it on the way to the socket.
      card.send(join(netHeader(), datagram(host, hostMac, socket.address().port, Buffer.from('wrong'), 0x1234)))
      card.send(join(netHeader({ flags: 1, checksumStart: 34, checksumOffset: 6 }), bytes))
      t.is(String((await heard)[0]), 'sum me up!')
    } finally {
      socket.close()
    }
  })
})

tapTest('a burst reaches the guest whole and in order, at an MTU that takes several buffers', async (t) => {
  await withTap(t, { mtu: 9000 }, async ({ host, tap, card: makeCard }) => {
    t.is(tap.mtu, 9000)
    const card = makeCard(VIRTIO_NET_F.MRG_RXBUF)
    const socket = await openSocket(host)
    try {
      await meet(t, card, (bytes) => socket.send(bytes, 4000, host.guestAddress))
      const count = 100
      for (let index = 0; index < count; index++)
        socket.send(Buffer.alloc(1 + ((index * 89) % 8900), index), 4000, host.guestAddress)
      const frames: Uint8Array[] = []
      await until(t, 'all datagrams', () => {
        frames.push(...card.take().filter((bytes) => etherType(bytes) === ETH_IP))
        return frames.length >= count ? true : undefined
      })
      for (const [index, bytes] of frames.entries()) {
        const payload = bytes.subarray(12 + 14 + 28)
        t.is(payload.length, 1 + ((index * 89) % 8900))
        t.true(payload.every((byte) => byte === index))
      }
      t.is(card.device.counters().receiveDropped, 0)
    } finally {
      socket.close()
    }
  })
})

tapTest('a card of a tap that is down has no link; it comes and goes with the interface', async (t) => {
  await withTap(t, { up: false }, async ({ host, tap, card: makeCard }) => {
    const card = makeCard()
    const link = () => card.driver.readConfig(6, 1)[0]
    t.is(link(), 0)
    host.ip('link', 'set', host.name, 'up')
    await until(t, 'the link', () => (tap.linkUp ? true : undefined))
    t.is(link(), 1)
    host.ip('link', 'set', host.name, 'down')
    card.send(join(netHeader(), Uint8Array.of(255, 255, 255, 255, 255, 255, ...MAC, 8, 6), new Uint8Array(46)))
    t.is(link(), 0)
    t.is(card.device.counters().sendDropped, 1)
    t.is(card.driver.queue(TRANSMITQ).takeUsed().length, 1)
    host.ip('link', 'set', host.name, 'up')
    await until(t, 'the link again', () => (tap.linkUp ? true : undefined))
    t.is(link(), 1)
  })
})

tapTest('a tap that is removed under a card takes its link along, and nothing else', async (t) => {
  await withTap(t, {}, async ({ host, tap, card: makeCard }) => {
    const card = makeCard()
    host.remove()
    await until(t, 'the end of the link', () => (tap.linkUp ? undefined : true))
    card.send(join(netHeader(), Uint8Array.of(255, 255, 255, 255, 255, 255, ...MAC, 8, 6), new Uint8Array(46)))
    t.false(card.driver.needsReset)
    card.driver.write('Status', 0)
    t.is(card.driver.status, 0)
  })
})

tapTest('attaching says what is wrong: no such interface, none of a tap, in use', async (t) => {
  await withTap(t, {}, async ({ host, reactor }) => {
    t.throws(() => attachTap('clnosuch', reactor), { code: 'ENODEV' })
    t.throws(() => attachTap('lo', reactor), { code: 'EINVAL' })
    t.throws(() => attachTap(host.name, reactor), { code: 'EBUSY' })
    t.throws(() => attachTap('a-name-that-is-too-long', reactor), { instanceOf: RangeError })
  })
})
