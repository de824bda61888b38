import test from 'ava'
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '../../src/virtio/device.ts'
import { MMIO_OFFSET, MMIO_REGISTERS } from '../../src/virtio/registers.ts'
import { DriverQueue } from '../helpers/driver-queue.ts'
import { HIGH } from '../helpers/guarded-memory.ts'
import {
  ACKNOWLEDGE,
  ALL_RING_FEATURES,
  DEVICE_NEEDS_RESET,
  DRIVER,
  FAILED,
  FEATURES_OK,
  READY,
} from '../helpers/mmio-driver.ts'
import { probeDriver, startedProbe } from '../helpers/probe-driver.ts'

const DATA = 0x8000

test('the first registers say what it is (§4.2.2)', (t) => {
  const { driver } = probeDriver()
  t.is(driver.read('MagicValue'), 0x74726976)
  t.is(driver.read('Version'), 2)
  t.is(driver.read('DeviceID'), 42)
  t.is(driver.status, 0)
})

test('features are offered in words of 32 bits; the transport adds its own', (t) => {
  const { driver } = probeDriver({ features: 5n })
  t.is(driver.offeredFeatures(), 5n | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)
  driver.write('DeviceFeaturesSel', 2)
  t.is(driver.read('DeviceFeatures'), 0)
  driver.write('DeviceFeaturesSel', 0xffffffff)
  t.is(driver.read('DeviceFeatures'), 0)
})

test('the device becomes active at DRIVER_OK, with the features negotiated', (t) => {
  const { probe, driver } = startedProbe({ features: 1n | VIRTIO_F_VERSION_1 })
  t.is(driver.status, READY)
  t.is(probe.host?.features, 1n | VIRTIO_F_VERSION_1)
  t.deepEqual(probe.calls, ['reset', 'activate', 'onAvailable 0'])
})

test('features that were never offered leave FEATURES_OK unset (class 4)', (t) => {
  const { driver } = probeDriver({ features: 1n })
  t.false(driver.negotiate(VIRTIO_F_VERSION_1 | 2n))
  t.true(driver.negotiate(VIRTIO_F_VERSION_1 | 1n))
})

test('a driver without VIRTIO_F_VERSION_1 is turned away (§6.2)', (t) => {
  const { driver } = probeDriver()
  t.false(driver.negotiate(VIRTIO_F_INDIRECT_DESC))
})

test('features written before DRIVER or after FEATURES_OK are ignored (class 4)', (t) => {
  const { probe, driver } = probeDriver({ features: 3n })
  driver.writeFeatures(2n)
  driver.negotiate(VIRTIO_F_VERSION_1 | 1n)
  driver.writeFeatures(VIRTIO_F_VERSION_1 | 3n)
  driver.write('Status', READY)
  t.is(probe.host?.features, VIRTIO_F_VERSION_1 | 1n)
})

test('status bits skipped, cleared or unknown change nothing (class 3)', (t) => {
  const { driver } = probeDriver()
  driver.write('Status', READY)
  t.is(driver.status, 0)
  driver.write('Status', ACKNOWLEDGE)
  driver.write('Status', ACKNOWLEDGE | FEATURES_OK)
  t.is(driver.status, ACKNOWLEDGE)
  driver.start()
  driver.write('Status', ACKNOWLEDGE | DRIVER)
  driver.write('Status', 0x1234_5600)
  t.is(driver.status, READY)
})

test('FAILED stops the device until it is reset', (t) => {
  const { probe, driver, queue } = startedProbe()
  driver.write('Status', READY | FAILED)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.deepEqual(probe.chains, [])
  t.true(probe.calls.includes('halted'))
})

for (const size of [0, 3, 65, 128, 0x10000, 0xffffffff]) {
  test(`a queue of size ${size} does not become ready, and the device asks for a reset (class 1)`, (t) => {
    const { driver } = probeDriver()
    driver.negotiate(ALL_RING_FEATURES)
    driver.setUpQueue(0, new DriverQueue(driver.memory, 0x1000, 8))
    t.is(driver.read('QueueReady'), 1)

    driver.negotiate(ALL_RING_FEATURES)
    driver.write('QueueSel', 0)
    driver.write('QueueNum', size)
    driver.writeAddress('QueueDesc', 0x1000)
    driver.writeAddress('QueueDriver', 0x2000)
    driver.writeAddress('QueueDevice', 0x3000)
    driver.write('QueueReady', 1)
    t.is(driver.read('QueueReady'), 0)
    t.true(driver.needsReset)
  })
}

const AREAS: readonly [title: string, descriptors: bigint, available: bigint, used: bigint][] = [
  ['a misaligned descriptor table', 0x1008n, 0x2000n, 0x3000n],
  ['a misaligned available ring', 0x1000n, 0x2001n, 0x3000n],
  ['a misaligned used ring', 0x1000n, 0x2000n, 0x3002n],
  ['a descriptor table over the available ring', 0x1000n, 0x1010n, 0x3000n],
  ['a used ring over the available ring', 0x1000n, 0x2000n, 0x2000n],
  ['a used ring over the descriptor table', 0x1000n, 0x2000n, 0x107cn],
  ['a descriptor table that straddles the end of RAM', 0xffc0n, 0x2000n, 0x3000n],
  ['a used ring that straddles the end of RAM', 0x1000n, 0x2000n, 0xffc0n],
  ['an available ring in the hole for devices', 0x1000n, 0xd000_0000n, 0x3000n],
  ['a descriptor table that wraps around 2^64', 0xffff_ffff_ffff_fff0n, 0x2000n, 0x3000n],
  ['a used ring whose address is RAM when cut to 53 bits', 0x1000n, 0x2000n, (1n << 53n) + 0x3000n],
  ['a used ring in the gap before high RAM', 0x1000n, 0x2000n, BigInt(HIGH.gpa) - 4n],
]

for (const [title, descriptors, available, used] of AREAS) {
  test(`${title} is refused, and the device asks for a reset (class 10)`, (t) => {
    const { driver } = probeDriver()
    driver.negotiate(ALL_RING_FEATURES)
    driver.write('QueueSel', 0)
    driver.write('QueueNum', 8)
    driver.writeAddress('QueueDesc', descriptors)
    driver.writeAddress('QueueDriver', available)
    driver.writeAddress('QueueDevice', used)
    driver.write('QueueReady', 1)
    t.is(driver.read('QueueReady'), 0)
    t.true(driver.needsReset)
    driver.write('Status', READY | DEVICE_NEEDS_RESET)
    driver.kick(0)
    t.deepEqual(driver.guarded.strayWrites(), [])
  })
}

test('rings may lie above 4 GiB, side by side', (t) => {
  const { probe, driver } = probeDriver()
  driver.negotiate(ALL_RING_FEATURES)
  const queue = new DriverQueue(driver.memory, HIGH.gpa, 64)
  driver.setUpQueue(0, queue)
  driver.write('Status', READY)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(probe.chains.length, 1)
})

test('size, addresses and the ready bit stay as they were at DRIVER_OK (class 2)', (t) => {
  const { probe, driver, queue } = startedProbe()
  driver.write('QueueSel', 0)
  driver.write('QueueNum', 64)
  driver.writeAddress('QueueDesc', 0x9000)
  driver.writeAddress('QueueDriver', 0xa000)
  driver.writeAddress('QueueDevice', 0xffff_f000)
  driver.write('QueueReady', 1)
  for (let i = 0; i < 20; i++) {
    queue.post({ gpa: DATA, length: 4 })
    driver.kick(0)
    probe.chains.pop()!.complete(0)
    t.is(queue.takeUsed().length, 1)
  }
  t.is(driver.status, READY)
})

test('a ready queue is not set up again before DRIVER_OK either (class 2)', (t) => {
  const { driver } = probeDriver()
  driver.negotiate(ALL_RING_FEATURES)
  const queue = new DriverQueue(driver.memory, 0x1000, 8)
  driver.setUpQueue(0, queue)
  driver.setUpQueue(0, new DriverQueue(driver.memory, 0x4000, 64))
  driver.write('Status', READY)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(queue.availableEvent, 1)
})

test('QueueReady 0 stops a queue for good until a reset; its chains turn stale (§4.2.2.2)', (t) => {
  const { probe, driver, queue } = startedProbe()
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  driver.write('QueueReady', 0)
  t.is(driver.read('QueueReady'), 0)
  t.true(probe.chains[0]!.stale)
  driver.write('QueueReady', 1)
  t.is(driver.read('QueueReady'), 0)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(probe.chains.length, 1)
})

test('queues that do not exist have size 0, are not ready, and take neither set-up nor notification (class 6)', (t) => {
  const { driver, probe } = startedProbe()
  for (const index of [1, 31, 0xffff, 0x8000_0000, 0xffff_ffff]) {
    driver.write('QueueSel', index)
    t.is(driver.read('QueueNumMax'), 0)
    t.is(driver.read('QueueReady'), 0)
    driver.write('QueueNum', 8)
    driver.write('QueueReady', 1)
    driver.write('QueueReady', 0)
    driver.kick(index)
    driver.transport.notify(index)
  }
  t.is(driver.status, READY)
  t.deepEqual(probe.calls, ['reset', 'activate', 'onAvailable 0'])
})

test('registers take aligned accesses of 4 bytes; others read 0 and write nothing (class 7)', (t) => {
  const { driver } = startedProbe()
  for (const [offset, width] of [
    [MMIO_OFFSET.MagicValue, 1],
    [MMIO_OFFSET.MagicValue, 2],
    [MMIO_OFFSET.MagicValue, 8],
    [MMIO_OFFSET.MagicValue + 2, 4],
    [0xfe, 4],
  ] as const) {
    const data = new Uint8Array(width).fill(0xee)
    driver.transport.read(offset, data)
    t.deepEqual([...data], new Array(width).fill(0))
    driver.writeAt(offset, 0, width)
  }
  driver.writeAt(MMIO_OFFSET.Status, 0, 1)
  driver.writeAt(MMIO_OFFSET.Status, 0, 8)
  t.is(driver.status, READY)
})

test('every register can be accessed as its row says, and not otherwise (§4.2.2)', (t) => {
  for (const { name, access } of MMIO_REGISTERS) {
    for (const [verb, letter] of [
      ['read', 'r'],
      ['write', 'w'],
    ] as const) {
      const { driver } = probeDriver()
      if (verb === 'read') driver.read(name)
      else driver.write(name, 1)
      const refused = driver.log.some((line) => line.includes(`${verb} of 4 bytes`))
      t.is(refused, !access.includes(letter), `${verb} ${name}`)
    }
  }
})

test('reading a write-only register gives 0, writing a read-only one or none does nothing', (t) => {
  const { driver } = startedProbe()
  t.is(driver.read('QueueNotify'), 0)
  for (let offset = 0; offset < 0x100; offset += 4) {
    const data = new Uint8Array(4)
    driver.transport.read(offset, data)
  }
  for (const register of ['MagicValue', 'Version', 'DeviceID', 'InterruptStatus', 'ConfigGeneration'] as const)
    driver.write(register, 0xffff_ffff)
  driver.writeAt(0x0c8, 1, 4)
  t.is(driver.read('MagicValue'), 0x74726976)
  t.is(driver.status, READY)
})

test('there is no shared memory region: its length reads as -1 (§4.2.2)', (t) => {
  const { driver } = probeDriver()
  t.is(driver.read('SHMLenLow'), 0xffffffff)
  t.is(driver.read('SHMLenHigh'), 0xffffffff)
})

test('the configuration space is read in any width and reads 0 past its end (class 8)', (t) => {
  const { driver } = probeDriver({ config: Uint8Array.from([1, 2, 3, 4, 5, 6]) })
  t.deepEqual([...driver.readConfig(0, 8)], [1, 2, 3, 4, 5, 6, 0, 0])
  t.deepEqual([...driver.readConfig(5, 1)], [6])
  t.deepEqual([...driver.readConfig(3, 2)], [4, 5])
  t.deepEqual([...driver.readConfig(6, 4)], [0, 0, 0, 0])
  t.deepEqual([...driver.readConfig(0xefc, 4)], [0, 0, 0, 0])
})

test('a read-only configuration space ignores writes, and so does what lies past the end of any (class 8)', (t) => {
  const config = Uint8Array.from([1, 2, 3, 4])
  const { probe, driver } = probeDriver({ config })
  driver.writeAt(0x100, 0xffffffff, 4)
  t.deepEqual([...config], [1, 2, 3, 4])

  const written: number[] = []
  probe.writeConfig = (offset) => written.push(offset)
  driver.writeAt(0x100, 0, 4)
  driver.writeAt(0x102, 0, 4)
  driver.writeAt(0x104, 0, 1)
  driver.writeAt(0xffc, 0, 4)
  t.deepEqual(written, [0])
})

test('a change of the configuration is a new generation and an interrupt, once the driver is there', (t) => {
  const { probe, driver } = startedProbe()
  const before = driver.read('ConfigGeneration')
  probe.host!.configChanged()
  t.not(driver.read('ConfigGeneration'), before)
  t.is(driver.read('InterruptStatus'), 2)
  t.is(driver.interrupts, 1)
})

test('InterruptACK clears the bits it names and no other', (t) => {
  const { probe, driver, queue } = startedProbe()
  probe.onChain = (chain) => chain.complete(0)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  probe.host!.configChanged()
  t.is(driver.read('InterruptStatus'), 3)
  driver.write('InterruptACK', 1)
  t.is(driver.read('InterruptStatus'), 2)
  driver.write('InterruptACK', 0xffffffff)
  t.is(driver.read('InterruptStatus'), 0)
})
