/**
 * What every virtio device owes its driver and its host, whatever it does: one suite, run for each device by a test
 * file of two lines.
 */
import test from 'ava'
import { VIRTIO_F_VERSION_1, type VirtioDevice } from '../../src/virtio/device.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { ALL_RING_FEATURES, MmioDriver, READY } from '../helpers/mmio-driver.ts'

const DATA = 0xc000

export const testVirtioDevice = (name: string, create: () => VirtioDevice): void => {
  const start = (): MmioDriver => {
    const device = create()
    const driver = new MmioDriver(device)
    driver.start({ features: device.features | ALL_RING_FEATURES })
    return driver
  }
  /** Not one of our own failures. */
  const onlyDriverMistakes = (driver: MmioDriver): boolean => !driver.log.some((line) => line.includes('device failed'))

  test(`${name} offers a device id, named queues of a fit size, and no feature bit of the transport's`, (t) => {
    const device = create()
    t.true(device.id > 0)
    t.true(device.queues.length > 0)
    for (const { name: queue, maxSize } of device.queues) {
      t.true(queue.length > 0)
      t.is(Math.log2(maxSize) % 1, 0)
    }
    t.is(device.features & (0x1ffn << 24n), 0n)
  })

  test(`${name} comes up, is reset and comes up again, as often as a driver likes`, (t) => {
    const device = create()
    const driver = new MmioDriver(device)
    for (let round = 0; round < 3; round++) {
      driver.start({ features: device.features | ALL_RING_FEATURES })
      t.is(driver.status, READY)
      driver.write('Status', 0)
      t.is(driver.status, 0)
    }
    t.deepEqual(driver.log, [])
  })

  test(`${name} comes up with none of the features it offers but VIRTIO_F_VERSION_1`, (t) => {
    const driver = new MmioDriver(create())
    driver.start({ features: VIRTIO_F_VERSION_1 })
    t.is(driver.status, READY)
  })

  test(`${name} survives kicks of empty queues, and of queues that were never set up`, (t) => {
    const driver = new MmioDriver(create())
    driver.negotiate(ALL_RING_FEATURES)
    driver.write('Status', READY)
    for (let index = 0; index < driver.transport.queueCount + 2; index++) driver.kick(index)
    t.is(driver.status, READY)
    const other = start()
    for (let index = 0; index < other.transport.queueCount; index++) other.kick(index)
    t.is(other.status, READY)
  })

  test(`${name} takes a one-byte buffer of either kind, and both, on each queue without failing`, (t) => {
    for (const buffers of [
      [{ gpa: DATA, length: 1 }],
      [{ gpa: DATA, length: 1, write: true }],
      [
        { gpa: DATA, length: 1 },
        { gpa: DATA + 1, length: 1, write: true },
      ],
    ]) {
      const count = start().transport.queueCount
      for (let index = 0; index < count; index++) {
        const driver = start()
        driver.queue(index).post(...buffers)
        driver.kick(index)
        driver.settle()
        t.true(onlyDriverMistakes(driver), driver.log.join('\n'))
        for (const { length } of driver.queue(index).takeUsed()) t.true(length <= 1)
      }
    }
  })

  test(`${name} never writes to a device-readable buffer (§2.7.5)`, (t) => {
    const driver = start()
    const before = new Uint8Array(64).fill(0x5c)
    for (let index = 0; index < driver.transport.queueCount; index++) {
      driver.memory.bytes(DATA, 64).set(before)
      driver.queue(index).post({ gpa: DATA, length: 64 })
      driver.kick(index)
      driver.settle()
      t.deepEqual(driver.memory.bytes(DATA, 64), before)
    }
  })

  test(`${name} does nothing with a queue between a driver's mistake and the reset`, (t) => {
    const driver = start()
    for (const [index, queue] of driver.queues.entries()) {
      queue.offer(99)
      driver.kick(index)
    }
    t.true(driver.needsReset)
    for (const [index, queue] of driver.queues.entries()) {
      queue.post({ gpa: DATA, length: 16, write: true })
      driver.kick(index)
    }
    driver.transport.drain()
    t.is(driver.settle(), 0)
    t.true(driver.queues.every(({ usedIndex }) => usedIndex === 0))
    driver.start()
    t.is(driver.status, READY)
  })

  test(`${name} is reset with buffers on every queue, and holds on to none of them (class 5)`, (t) => {
    const driver = start()
    for (let index = 0; index < driver.transport.queueCount; index++) {
      driver.queue(index).post({ gpa: DATA, length: 64, write: true })
      driver.kick(index)
    }
    driver.write('Status', 0)
    const after = driver.memory.bytes(0, 0x10000).slice()
    driver.settle()
    driver.transport.drain()
    t.deepEqual(driver.memory.bytes(0, 0x10000), after)
  })

  test(`${name} reads zeros past its configuration space and survives writes anywhere in it (class 8)`, (t) => {
    const driver = start()
    t.deepEqual([...driver.readConfig(0xef8, 8)], new Array(8).fill(0))
    for (let offset = 0; offset < 32; offset++)
      for (const width of [1, 2, 4, 8]) driver.writeAt(0x100 + offset, 0xffffffff, width)
    t.is(driver.status, READY)
    t.true(onlyDriverMistakes(driver))
  })

  test(`${name} goes on in another process from its saved state, at every stage of its life`, (t) => {
    const device = create()
    const driver = new MmioDriver(device, createGuardedMemory())
    const stages = [
      () => {},
      () => driver.start({ features: device.features | ALL_RING_FEATURES }),
      () => {
        driver.queue(0).post({ gpa: DATA, length: 64, write: true })
        driver.kick(0)
      },
      () => driver.queue(0).offer(99),
      () => driver.kick(0),
    ]
    for (const stage of stages) {
      stage()
      const state = JSON.parse(JSON.stringify(driver.transport.save()))
      const other = new MmioDriver(create(), driver.guarded)
      other.transport.restore(state)
      // A driver halfway through the configuration shall notice (§2.5.1).
      t.deepEqual(other.transport.save(), { ...state, configGeneration: state.configGeneration + 1 })
    }
  })

  test(`${name} refuses a saved state of another shape (class 32)`, (t) => {
    const driver = start()
    const state = driver.transport.save()
    for (const key of Object.keys(state)) {
      const { [key]: _, ...rest } = state
      t.throws(() => new MmioDriver(create()).transport.restore(rest), { name: 'HostError' }, key)
    }
  })
}
