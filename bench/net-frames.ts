/**
 * Frames through the network card and a real tap, without KVM: from the kick to the used ring, and from the tap's queue
 * to the used ring. The peer is the system call alone, on the same tap with the same bytes: the difference is what
 * rings, checks and the card cost. Two taps on a bridge; needs root and iproute2.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Reactor } from '../src/backends/reactor.ts'
import { attachTap, type Tap } from '../src/backends/tap.ts'
import { print } from '../src/cli/terminal.ts'
import { virtioNet } from '../src/devices/virtio-net.ts'
import { VIRTIO_NET_F } from '../src/devices/virtio-net-features.ts'
import { IoVector } from '../src/memory/io-vector.ts'
import { allocateRam } from '../src/memory/ram.ts'
import { DriverQueue } from '../test/helpers/driver-queue.ts'
import { ALL_RING_FEATURES, MmioDriver, READY } from '../test/helpers/mmio-driver.ts'
import { frame, join, MAC, netHeader, RECEIVEQ, TRANSMITQ } from '../test/helpers/net.ts'
import { onesSum, u16 } from '../test/helpers/net-card.ts'
import { whyNoTaps } from '../test/helpers/taps.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const QUEUE_SIZE = 256
const BATCH = 32
const BATCHES_A_ROUND = 20
const BUFFERS = 0x100000
const OUT = 0x80000

const ip = (line: string) => void execFileSync('ip', line.split(' '), { stdio: 'pipe' })
const [BRIDGE, NEAR, FAR] = ['br', 'n', 'f'].map((part) => `clb${process.pid.toString(36)}${part}`) as [
  string,
  string,
  string,
]

const card = (tap: Tap, features: bigint, bufferBytes: number) => {
  const ram = allocateRam(4 * 2 ** 20)
  const device = virtioNet({ backend: tap, mac: MAC })
  const driver = new MmioDriver(device, { memory: ram.memory, bytes: new Uint8Array(0), strayWrites: () => [] })
  driver.negotiate(features | ALL_RING_FEATURES)
  driver.queues = [0, 1].map((index) => new DriverQueue(driver.memory, 0x1000 + 0x4000 * index, QUEUE_SIZE))
  for (const [index, queue] of driver.queues.entries()) driver.setUpQueue(index, queue)
  driver.write('Status', READY)
  for (let head = 0; head < QUEUE_SIZE; head++)
    driver.queue(RECEIVEQ).writeDescriptor(head, { gpa: BUFFERS + head * bufferBytes, length: bufferBytes, flags: 2 })
  return { driver, device }
}

/** @returns nanoseconds a frame */
const time = (batch: () => void, prepare = () => {}): number => {
  let spent = 0n
  for (let round = 0; round < BATCHES_A_ROUND; round++) {
    prepare()
    const begun = process.hrtime.bigint()
    batch()
    spent += process.hrtime.bigint() - begun
  }
  return Number(spent) / (BATCHES_A_ROUND * BATCH)
}

const { CSUM, HOST_TSO4, GUEST_CSUM, GUEST_TSO4 } = VIRTIO_NET_F
const OFFLOADS = process.argv.includes('--no-offloads') ? 0n : CSUM | HOST_TSO4 | GUEST_CSUM | GUEST_TSO4
const GSO = { flags: 1, gsoType: 1, gsoSize: 1448, headerLength: 54, checksumStart: 34, checksumOffset: 16 }
/** A TCP segment over IPv4, as far as Linux looks at one on its way over a bridge. */
const segment = (bytes: number) => {
  const made = payload(bytes)
  made.set([8, 0, 0x45, 0, (bytes - 14) >> 8, (bytes - 14) & 0xff, 0, 1, 0, 0, 64, 6], 12)
  made.set([0, 0, 198, 18, 252, 1, 198, 18, 252, 2], 24)
  made.set([0x50, 0x10], 46)
  made.set(u16(~onesSum(made.subarray(14, 34)) & 0xffff), 24)
  return made
}
/** Of no protocol that anybody listens to, so that it goes no further than the bridge. */
const payload = (bytes: number) => {
  const made = frame(bytes)
  made.set([0x02, 0, 0, 0, 0, 0x99], 0)
  made.set([0x88, 0xb5], 12)
  return made
}

const transmits = (driver: MmioDriver, bytes: Uint8Array) => {
  const queue = driver.queue(TRANSMITQ)
  return () => {
    driver.memory.bytes(OUT, bytes.length).set(bytes)
    for (let head = 0; head < BATCH; head++) queue.writeDescriptor(head, { gpa: OUT, length: bytes.length })
    return time(
      () => driver.transport.notify(TRANSMITQ),
      () => {
        for (let head = 0; head < BATCH; head++) queue.offer(head)
      },
    )
  }
}

const bareSends = (tap: Tap, bytes: Uint8Array) => {
  const head = new Uint8Array(bytes.buffer, 0, 26)
  return () =>
    time(() => {
      for (let index = 0; index < BATCH; index++)
        if (tap.send(head, [bytes], 26) !== 'sent') throw new Error('not sent')
    })
}

const main = async () => {
  const reactor = new Reactor((error) => {
    throw error
  })
  for (const line of [`link add ${BRIDGE} type bridge`, `link set ${BRIDGE} up`]) ip(line)
  for (const tap of [NEAR, FAR]) {
    for (const line of [
      `tuntap add ${tap} mode tap vnet_hdr`,
      `link set ${tap} master ${BRIDGE}`,
      `link set ${tap} up`,
    ])
      ip(line)
  }
  const [near, far] = [attachTap(NEAR, reactor), attachTap(FAR, reactor)]
  // A port forwards from the moment on that Linux has noticed its carrier.
  for (const tap of [NEAR, FAR])
    while (readFileSync(`/sys/class/net/${tap}/brport/state`, 'utf8').trim() !== '3') await sleep(20)
  const { driver, device } = card(near, VIRTIO_NET_F.MRG_RXBUF | OFFLOADS, 1536)
  const drained = new IoVector()
  drained.pack([new Uint8Array(70_000)])
  const drain = (tap: Tap) => {
    while (tap.receive(drained) > 0);
  }
  /** A batch from the far tap into the queue of the near one. */
  const fill = (bytes: Uint8Array) => () => {
    const head = new Uint8Array(bytes.buffer, 0, 26)
    for (let index = 0; index < BATCH; index++) if (far.send(head, [bytes], 26) !== 'sent') throw new Error('not sent')
  }
  const receives = (bytes: Uint8Array) => () => {
    const queue = driver.queue(RECEIVEQ)
    drain(near)
    // Every buffer used is offered again.
    const refill = () => {
      while (((queue.availableIndex - queue.usedIndex) & 0xffff) < QUEUE_SIZE) queue.offer(queue.availableIndex & 0xff)
    }
    refill()
    return time(() => {
      const before = device.counters().receivedFrames
      for (let tries = 0; device.counters().receivedFrames - before < BATCH; tries++) {
        if (tries > BATCH) throw new Error('not all received')
        driver.transport.notify(RECEIVEQ)
        refill()
      }
    }, fill(bytes))
  }
  const bareReceives = (bytes: Uint8Array) => () => {
    drain(near)
    const one = new IoVector()
    one.pack([new Uint8Array(70_000)])
    return time(() => {
      for (let index = 0; index < BATCH; index++) if (near.receive(one) === 0) throw new Error('not received')
    }, fill(bytes))
  }

  const small = join(netHeader(), payload(60))
  const full = join(netHeader(), payload(1514))
  const huge = join(netHeader(GSO), segment(60_000))
  const peer = 'writev alone, 60 bytes'
  const players = [
    { name: peer, measure: bareSends(near, small) },
    { name: 'card sends 60 bytes', measure: transmits(driver, small) },
    { name: 'writev alone, 1,514 bytes', measure: bareSends(near, full) },
    { name: 'card sends 1,514 bytes', measure: transmits(driver, full) },
    { name: 'readv alone, 60 bytes', measure: bareReceives(small) },
    { name: 'card receives 60 bytes', measure: receives(small) },
    { name: 'readv alone, 1,514 bytes', measure: bareReceives(full) },
    { name: 'card receives 1,514 bytes', measure: receives(full) },
    ...(OFFLOADS === 0n
      ? []
      : [
          { name: 'writev alone, 60,000 bytes', measure: bareSends(near, huge) },
          { name: 'card sends 60,000 bytes', measure: transmits(driver, huge) },
          { name: 'readv alone, 60,000 bytes', measure: bareReceives(huge) },
          { name: 'card receives 60,000 bytes', measure: receives(huge) },
        ]),
  ].map(({ name, measure }) => ({
    name,
    measure: () => {
      const value = measure()
      drain(far)
      return value
    },
  }))
  try {
    printReport({
      title: `Frames through the card and a tap, ${BATCH} a kick`,
      unit: 'ns a frame',
      peer,
      candidates: await takeTurns(players, { runs: rounds(30), warmups: 10 }),
    })
  } finally {
    near.close()
    far.close()
    await reactor.close()
    for (const name of [NEAR, FAR, BRIDGE]) ip(`link del ${name}`)
  }
}

const reason = whyNoTaps()
if (reason === undefined) await main()
else print(`Not measured: ${reason}.`)
