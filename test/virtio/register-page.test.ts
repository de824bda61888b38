import test from 'ava'
import { MMIO_CONFIG, MMIO_OFFSET } from '../../src/virtio/registers.ts'
import { MmioDriver } from '../helpers/mmio-driver.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'

// That the page shows what the registers read is checked by MmioDriver at every read of every test.

const word = (page: Uint8Array, offset: number) => new DataView(page.buffer).getUint32(offset, true)

const started = () => {
  const config = new Uint8Array(8)
  const probe = createProbeDevice({ config })
  const driver = new MmioDriver(probe)
  driver.start()
  return { config, probe, driver, queue: driver.queue(0) }
}

test('an interrupt finds its reason on the page already', (t) => {
  const { probe, driver, queue } = started()
  let shown = 0
  driver.onInterrupt = () => {
    shown = word(driver.page, MMIO_OFFSET.InterruptStatus)
  }
  queue.post({ gpa: 0x8000, length: 4, write: true })
  driver.kick(0)
  probe.chains[0]!.complete(4)
  t.is(shown, 1)
  probe.host!.configChanged()
  t.is(shown, 3)
  driver.write('InterruptACK', 3)
  t.is(word(driver.page, MMIO_OFFSET.InterruptStatus), 0)
})

test('a changed configuration is on the page before its interrupt, under another generation (§2.5.1)', (t) => {
  const { config, probe, driver } = started()
  const before = word(driver.page, MMIO_OFFSET.ConfigGeneration)
  let shown = new Uint8Array()
  driver.onInterrupt = () => {
    shown = driver.page.slice(MMIO_CONFIG, MMIO_CONFIG + 8)
  }
  config.set([1, 2, 3, 4, 5, 6, 7, 8])
  probe.host!.configChanged()
  t.deepEqual([...shown], [1, 2, 3, 4, 5, 6, 7, 8])
  t.not(word(driver.page, MMIO_OFFSET.ConfigGeneration), before)
})

test('a driver that goes on at another configuration finds another generation, by page and by register (§2.5.1)', (t) => {
  const { driver } = started()
  const before = driver.read('ConfigGeneration')
  const config = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
  const other = new MmioDriver(createProbeDevice({ config }), driver.guarded)
  other.transport.restore(driver.transport.save())
  t.not(other.read('ConfigGeneration'), before)
  t.not(word(other.page, MMIO_OFFSET.ConfigGeneration), before)
})

test('the page shows the generation that the register reads', (t) => {
  const { config, probe, driver } = started()
  for (let round = 0; round < 3; round++) {
    config[round] = 1
    probe.host!.configChanged()
    t.is(word(driver.page, MMIO_OFFSET.ConfigGeneration), driver.read('ConfigGeneration'))
  }
})

test('DEVICE_NEEDS_RESET is on the page before its interrupt', (t) => {
  const { driver, queue } = started()
  let shown = 0
  driver.onInterrupt = () => {
    shown = word(driver.page, MMIO_OFFSET.Status)
  }
  queue.writeAvailableIndex(1000)
  driver.kick(0)
  t.is(shown & 0x40, 0x40)
})

test('after a reset the page shows a device without a driver, and nothing of the one before', (t) => {
  const { driver } = started()
  const fresh = new MmioDriver(createProbeDevice({ config: new Uint8Array(8) }))
  driver.transport.reset()
  t.deepEqual(driver.page, fresh.page)
})

test('a page that held something shows nothing of it', (t) => {
  const driver = new MmioDriver(createProbeDevice())
  t.is(word(driver.page, MMIO_OFFSET.QueueNotify), 0)
  t.true(driver.page.subarray(MMIO_CONFIG).every((byte) => byte === 0))
})
