/**
 * A driver that does anything at all, in any order, to each device. CLOISTER_FUZZ_CASES sets the number of cases for
 * each device; fast-check prints seed and path of a failure, to replay it.
 */
import test from 'ava'
import fc from 'fast-check'
import { type BufferSink, createBufferSink, createBufferSource } from '../../src/backends/buffer-stream.ts'
import { createNetWire } from '../../src/backends/net-wire.ts'
import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import { virtioConsole } from '../../src/devices/virtio-console.ts'
import { virtioNet } from '../../src/devices/virtio-net.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { IoVector } from '../../src/memory/io-vector.ts'
import type { Chain } from '../../src/virtio/chain.ts'
import type { VirtioDevice } from '../../src/virtio/device.ts'
import type { Clock } from '../../src/virtio/rate-limiter.ts'
import { createGuardedMemory, HIGH, LOW } from '../helpers/guarded-memory.ts'
import { createMemoryDisk } from '../helpers/memory-disk.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'
import { ALL_OFFLOADS, checkSentFrame, frame, join, MAC, netHeader, RECEIVEQ, TRANSMITQ } from '../helpers/net.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { createFakeBackend } from '../helpers/vsock-backend.ts'

const CASES = Number(process.env.CLOISTER_FUZZ_CASES ?? 2000)
const QUEUE_SIZE = 8

/** A device, and what its host side may do meanwhile. */
interface Subject {
  readonly device: VirtioDevice
  readonly hostEvent: (choice: number) => void
  readonly clock?: Clock
  /** What is wrong on the host's side after all that. */
  readonly damage?: () => string | undefined
}

const PIECES = [0, 1, 15, 16, 17, 4096, LOW.size - 1, LOW.size, 0x7fffffff, 0x80000000, 0xffffffff]
const length = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.constantFrom(...PIECES))
const edges = [
  0n,
  0x1000n,
  0x1400n,
  BigInt(LOW.size - 1),
  BigInt(LOW.size),
  0xd000_0000n,
  0xffff_ffffn,
  BigInt(HIGH.gpa) - 1n,
  BigInt(HIGH.gpa + HIGH.size) - 1n,
  (1n << 53n) - 1n,
  1n << 53n,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_ffffn,
]
const gpa = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0x8000, max: LOW.size - 64 }).map(BigInt) },
  { weight: 1, arbitrary: fc.constantFrom(...edges) },
)
const descriptor = fc.record({
  gpa,
  length,
  flags: fc.integer({ min: 0, max: 7 }),
  next: fc.oneof(fc.integer({ min: 0, max: QUEUE_SIZE }), fc.constant(0xffff)),
})
const queueIndex = fc.integer({ min: 0, max: 6 })
const slot = fc.integer({ min: 0, max: QUEUE_SIZE - 1 })
const u16 = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(0x7fff, 0x8000, 0xfff8, 0xffff))

type Step = (driver: MmioDriver, subject: Subject) => void

const onQueue = (index: number, driver: MmioDriver) => driver.queues[index % driver.queues.length]!

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(queueIndex, slot, descriptor).map(
      ([queue, index, fields]): Step =>
        (driver) =>
          onQueue(queue, driver).writeDescriptor(index, fields),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(queueIndex, slot, slot, fc.array(descriptor, { maxLength: 4 })).map(
      ([queue, index, at, table]): Step =>
        (driver) => {
          const where = 0x7000 + 64 * at
          for (const [i, fields] of table.entries()) onQueue(queue, driver).writeTable(where, i, fields)
          onQueue(queue, driver).writeDescriptor(index, { gpa: where, length: 16 * table.length, flags: 4 })
        },
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(queueIndex, fc.oneof(slot, u16)).map(
      ([queue, head]): Step =>
        (driver) =>
          onQueue(queue, driver).offer(head),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(queueIndex, u16).map(
      ([queue, index]): Step =>
        (driver) =>
          onQueue(queue, driver).writeAvailableIndex(onQueue(queue, driver).availableIndex + index),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(queueIndex, u16).map(
      ([queue, index]): Step =>
        (driver) =>
          onQueue(queue, driver).writeUsedEvent(index),
    ),
  },
  {
    weight: 6,
    arbitrary: queueIndex.map(
      (queue): Step =>
        (driver) =>
          driver.kick(queue),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 0, max: 0x41 }), fc.oneof(u16, fc.nat()), fc.constantFrom(1, 2, 4, 8)).map(
      ([register, value, width]): Step =>
        (driver) =>
          driver.writeAt(4 * register, value, width),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ min: 0, max: 0xff8 }), fc.constantFrom(1, 2, 4, 8)).map(
      ([offset, width]): Step =>
        (driver) =>
          driver.transport.read(offset, new Uint8Array(width)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 0, max: 31 }).map(
      (choice): Step =>
        (_driver, { hostEvent }) =>
          hostEvent(choice),
    ),
  },
  { weight: 2, arbitrary: fc.constant<Step>((driver) => driver.start({ size: QUEUE_SIZE, features: allOf(driver) })) },
  { weight: 1, arbitrary: fc.constant<Step>((driver) => driver.write('Status', 0)) },
  { weight: 1, arbitrary: fc.constant<Step>((driver) => driver.transport.drain()) },
  { weight: 2, arbitrary: fc.constant<Step>((driver) => driver.settle(3)) },
)

const allOf = (driver: MmioDriver): bigint => driver.offeredFeatures() | ALL_RING_FEATURES

const runCase = (makeSubject: () => Subject, steps: readonly Step[]): MmioDriver => {
  const subject = makeSubject()
  const driver = new MmioDriver(subject.device, createGuardedMemory(), subject.clock)
  driver.start({ size: QUEUE_SIZE, features: allOf(driver) })
  for (const act of steps) act(driver, subject)
  const damage = subject.damage?.()
  if (damage) throw new Error(damage)
  // Whatever came before, a proper driver can start over, and state can be saved and restored.
  const heir = makeSubject()
  const other = new MmioDriver(heir.device, driver.guarded, heir.clock)
  other.transport.restore(JSON.parse(JSON.stringify(driver.transport.save())))
  other.settle(3)
  driver.start({ size: QUEUE_SIZE, features: allOf(driver) })
  return driver
}

/** A block request that is nearly right: wholly random ones never get as far as a disk. */
const blockStep: fc.Arbitrary<Step> = fc
  .record({
    type: fc.constantFrom(0, 0, 1, 1, 4, 8, 11, 13, 99),
    sector: fc.constantFrom(0n, 1n, 7n, 8n, 9n, 1n << 53n, 1n << 55n, (1n << 64n) - 1n),
    data: fc.constantFrom(0, 16, 32, 511, 512, 513, 1024, 4096, 8192),
    range: fc.tuple(fc.constantFrom(0n, 7n, 8n, 1n << 55n), fc.constantFrom(0, 1, 8, 9, 0xffffffff)),
    flags: fc.constantFrom(0, 1, 2),
    slot,
    statusBytes: fc.constantFrom(1, 1, 1, 0, 2),
  })
  .map(({ type, sector, data, range, flags, slot, statusBytes }): Step => {
    return (driver) => {
      const { memory } = driver
      const at = 0x8000 + slot * 0x800
      memory.writeU32(at, type)
      memory.writeU64(at + 8, sector)
      memory.writeU64(at + 16, range[0])
      memory.writeU32(at + 24, range[1])
      memory.writeU32(at + 28, flags)
      const write = type === 0 || type === 8 ? 2 : 0
      const parts = [
        { gpa: at, length: 16, flags: 0 },
        { gpa: at + 16, length: data, flags: write },
        { gpa: at + 0x7f0, length: statusBytes, flags: 2 },
      ].filter(({ length }) => length > 0)
      postFrom(slot, 0, driver, parts)
    }
  })

/** A chain in the descriptors from `slot` on, whoever has them now. */
const postFrom = (
  slot: number,
  queue: number,
  driver: MmioDriver,
  parts: readonly { gpa: number; length: number; flags: number }[],
) => {
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1
    onQueue(queue, driver).writeDescriptor((slot + index) % QUEUE_SIZE, {
      ...part,
      flags: part.flags | (last ? 0 : 1),
      next: (slot + index + 1) % QUEUE_SIZE,
    })
  }
  onQueue(queue, driver).offer(slot)
  driver.kick(queue)
}

/** A frame that is nearly right, or buffers for one. */
const netStep: fc.Arbitrary<Step> = fc
  .record({
    queue: fc.constantFrom(RECEIVEQ, TRANSMITQ),
    slot,
    cuts: fc.array(fc.constantFrom(1, 2, 11, 12, 14, 26, 100, 2000), { minLength: 1, maxLength: 5 }),
    header: fc.record({
      flags: fc.constantFrom(0, 1, 1, 2, 0xff),
      gsoType: fc.constantFrom(0, 0, 1, 4, 5, 0x81, 0x80, 3),
      gsoSize: fc.constantFrom(0, 1, 1448, 0xffff),
      headerLength: u16,
      checksumStart: fc.constantFrom(0, 13, 14, 34, 0xffff),
      checksumOffset: fc.constantFrom(0, 6, 16, 60, 0xffff),
      buffers: u16,
    }),
    source: fc.constantFrom(MAC, MAC, MAC, new Uint8Array(6)),
    choice: fc.integer({ min: 0, max: 16 }),
  })
  .map(({ queue, slot, cuts, header, source, choice }): Step => {
    return (driver, { hostEvent }) => {
      if (driver.needsReset) driver.start({ size: QUEUE_SIZE, features: allOf(driver) })
      const at = 0x8000 + slot * 0x800
      if (queue === TRANSMITQ) driver.memory.bytes(at, 26).set(join(netHeader(header), frame(14, 0, source)))
      let gpa = at
      const parts = cuts.map((length) => {
        gpa += length
        return { gpa: gpa - length, length, flags: queue === RECEIVEQ ? 2 : 0 }
      })
      postFrom(slot, queue, driver, parts)
      hostEvent(choice)
    }
  })

/** Requests end late, in any order, some with errors; bytes around the disk are none of its business. */
const blockSubject = (readOnly: boolean): Subject => {
  const disk = createMemoryDisk({ sectors: 8, readOnly, late: true })
  return {
    device: virtioBlk(disk),
    hostEvent: (choice) => {
      disk.failWith = choice % 8 === 0 ? 5 : 0
      const [end] = disk.underWay.splice(choice % (disk.underWay.length || 1), 1)
      end?.()
    },
    damage: () => {
      if (!disk.guardsIntact()) return 'bytes beside the disk were written'
      return readOnly && disk.content.some((byte) => byte !== 0) ? 'a read-only disk was written' : undefined
    },
  }
}

const SUBJECTS: Record<string, () => Subject> = {
  'a device that completes late and out of order': () => {
    const device = createProbeDevice({ queueCount: 3, config: new Uint8Array(16), maxChainBytes: 0x8000 })
    // Chains are never forgotten, so that many are completed twice, or after a reset.
    const complete = (chain: Chain | undefined) => {
      for (const segment of chain?.stale === false ? chain.writable : []) segment.fill(0x3c)
      chain?.complete(chain.writableBytes)
    }
    return { device, hostEvent: (choice) => complete(device.chains[choice % (device.chains.length || 1)]) }
  },
  'a device with a rate': () => {
    const clock = new TestClock()
    const rate = { bytesPerSecond: 10_000, operationsPerSecond: 20 }
    const device = createProbeDevice({ queueCount: 3, config: new Uint8Array(16), maxChainBytes: 0x8000, rate })
    device.onChain = (chain) => chain.complete(chain.writableBytes)
    return {
      device,
      clock,
      hostEvent: (choice) => clock.advance(choice),
      damage: () => (clock.timers > device.queues.length ? `${clock.timers} timers run` : undefined),
    }
  },
  'virtio-rng': () => ({ device: virtioRng({ fill: (bytes) => bytes.fill(0x77) }), hostEvent: () => {} }),
  'virtio-net': () => {
    const { ends, plug } = createNetWire({ capacity: 4, offloads: ALL_OFFLOADS })
    const [backend, far] = ends
    const device = virtioNet({ backend, mac: MAC })
    const vector = new IoVector()
    const into = new Uint8Array(70_000)
    return {
      device,
      hostEvent: (choice) => {
        vector.pack([into])
        const got = far.receive(vector)
        if (got > 0) checkSentFrame(into.subarray(0, got))
        if (choice === 0) plug(false)
        else if (choice === 1) plug(true)
        else far.send(netHeader({ gsoType: choice & 1 }), [new Uint8Array(choice * choice * choice)], 0)
      },
    }
  },
  'virtio-blk': () => blockSubject(false),
  'virtio-blk, read-only': () => blockSubject(true),
  'virtio-console': () => {
    const source = createBufferSource()
    const sinks: BufferSink[] = [createBufferSink({ capacity: 7 }), createBufferSink({ capacity: 0x10000 })]
    const device = virtioConsole({
      ports: [
        { name: 'stdio', isConsole: true, sink: sinks[0], source },
        { name: 'stderr', isConsole: false, sink: sinks[1] },
      ],
      size: { cols: 1, rows: 1 },
      emergencyWrite: true,
    })
    return {
      device,
      hostEvent: (choice) => {
        if (choice < 10) source.push(new Uint8Array(choice * choice + 1))
        else if (choice === 10) device.resize({ cols: 2, rows: 2 })
        else sinks[choice % 2]!.take()
      },
    }
  },
  'virtio-vsock': () => {
    const backend = createFakeBackend()
    const device = virtioVsock({ backend, after: () => () => {} })
    const streams = () => [...backend.asked, ...dialled]
    const dialled: NonNullable<ReturnType<typeof backend.dial>>[] = []
    return {
      device,
      hostEvent: (choice) => {
        const stream = streams()[choice % (streams().length || 1)]
        if (choice < 8) dialled.push(...[backend.dial(choice)].flatMap((one) => one ?? []))
        else if (choice < 12) stream?.listener?.opened()
        else if (choice < 20) stream?.push(new Uint8Array(choice * choice))
        else if (choice < 26) stream?.deliver(1)
        else if (choice < 28) stream?.end()
        else stream?.die()
      },
    }
  },
  'virtio-balloon': () => {
    // A view is not touched: its length says whether it was checked.
    const reclaimer = { release: () => 0, releaseView: ({ length }: Uint8Array) => length }
    const device = virtioBalloon({ memoryBytes: LOW.size, reclaimer })
    return {
      device,
      hostEvent: (choice) => {
        if (choice % 2 === 0) device.setTarget(choice * 4096)
        else device.statistics()
      },
    }
  },
}

const STEPS: Record<string, fc.Arbitrary<Step>> = {
  'virtio-blk': fc.oneof(step, blockStep),
  'virtio-blk, read-only': fc.oneof(step, blockStep),
  'virtio-net': fc.oneof({ weight: 1, arbitrary: step }, { weight: 4, arbitrary: netStep }),
}

for (const [name, makeSubject] of Object.entries(SUBJECTS)) {
  test(`no lie of a driver gets past the transport of ${name}, nor outside guest memory`, (t) => {
    let needed = 0
    fc.assert(
      fc.property(fc.array(STEPS[name] ?? step, { minLength: 1, maxLength: 40 }), (steps) => {
        const driver = runCase(makeSubject, steps)
        const stray = driver.guarded.strayWrites()
        if (stray.length > 0) throw new Error(`stray writes at host offsets ${stray.slice(0, 8)}`)
        if (driver.deferred.length > 1) throw new Error(`${driver.deferred.length} tasks put off at once`)
        if (driver.log.length > 32) throw new Error(`${driver.log.length} lines logged`)
        const failure = driver.log.find((line) => line.includes('device failed'))
        if (failure) throw new Error(failure)
        if (driver.log.some((line) => line.includes('needs a reset'))) needed++
      }),
      { numRuns: CASES },
    )
    // The lies do arrive: a driver that is always turned away early would prove nothing.
    t.true(needed > CASES / 50, `only ${needed} of ${CASES} cases reached a driver mistake`)
  })
}
