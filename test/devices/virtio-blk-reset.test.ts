/** Requests that a disk works on when their driver goes away, virtio 1.2 §2.4.1, §4.2.2.2. */
import test from 'ava'
import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import { VIRTIO_F_VERSION_1 } from '../../src/virtio/device.ts'
import {
  ask,
  askRanges,
  FLUSH,
  IN,
  OK,
  OUT,
  range,
  SECTORS,
  STATUS,
  start,
  toDevice,
  toDriver,
  UNTOUCHED,
  WRITE_ZEROES,
} from '../helpers/blk.ts'
import { createMemoryDisk } from '../helpers/memory-disk.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'

test('a reset waits for what the host does with the driver’s buffers (§2.4.1, class 5)', (t) => {
  const fixture = start({ disk: createMemoryDisk({ sectors: SECTORS, late: true }) })
  t.is(ask(fixture, IN, 0, toDriver(512)).status, UNTOUCHED)
  fixture.driver.write('Status', 0)
  t.deepEqual(fixture.disk.underWay, [])
  t.is(fixture.driver.memory.bytes(STATUS, 1)[0], UNTOUCHED, 'its queue is no longer the device’s to use')
})

test('a queue that is stopped gives its buffers back like a reset: nothing is read into them later (§4.2.2.2)', (t) => {
  const fixture = start({ disk: createMemoryDisk({ sectors: SECTORS, late: true }) })
  const { disk, driver } = fixture
  t.is(ask(fixture, IN, 0, toDriver(512)).status, UNTOUCHED)
  driver.write('QueueSel', 0)
  driver.write('QueueReady', 0)
  t.deepEqual(disk.underWay, [])
  t.is(driver.memory.bytes(STATUS, 1)[0], UNTOUCHED, 'its queue is no longer the device’s to use')
  t.false(driver.needsReset)
})

test('where a reset cannot wait, a request that ends later is seen by nobody, and the device is idle only then', async (t) => {
  const disk = { ...createMemoryDisk({ sectors: SECTORS, late: true }), drain: () => {} }
  const device = virtioBlk(disk)
  const driver = new MmioDriver(device)
  driver.start({ features: device.features | ALL_RING_FEATURES })
  const fixture = { disk, driver }
  t.is(ask(fixture, FLUSH, 0).status, UNTOUCHED)
  let idle = false
  const waiting = device.idle().then(() => {
    idle = true
  })
  driver.write('Status', 0)
  await Promise.resolve()
  t.false(idle)
  disk.underWay[0]!()
  await waiting
  t.is(driver.memory.bytes(STATUS, 1)[0], UNTOUCHED)
  await device.idle()
})

/** A disk that cannot wait at a reset, and a driver that has sent one request. */
const resetUnderWay = (features: bigint | undefined, type: number, ...ranges: readonly Uint8Array[]) => {
  const disk = { ...createMemoryDisk({ sectors: SECTORS, late: true }), drain: () => {} }
  const device = virtioBlk(disk)
  const driver = new MmioDriver(device)
  const begin = () => driver.start({ features: (features ?? device.features) | ALL_RING_FEATURES, size: 64 })
  begin()
  const fixture = { disk, driver }
  if (ranges.length > 0) askRanges(fixture, type, ...ranges)
  else ask(fixture, type, 0, toDevice(512))
  driver.write('Status', 0)
  begin()
  return fixture
}

test('a request of a driver that is gone never comes after one of the next driver: that one waits', (t) => {
  const fixture = resetUnderWay(undefined, OUT)
  const { disk, driver } = fixture
  t.is(ask(fixture, OUT, 1, toDevice(512)).status, UNTOUCHED)
  t.deepEqual(disk.asked, ['write 0+512'])
  disk.underWay.shift()!()
  t.deepEqual(disk.asked, ['write 0+512', 'write 512+512'], 'served without another kick')
  disk.underWay.shift()!()
  t.is(driver.memory.bytes(STATUS, 1)[0], OK)
})

test('ranges and syncs that a driver had still to come are not done when it is gone', (t) => {
  for (const fixture of [
    resetUnderWay(undefined, WRITE_ZEROES, range(0, 1), range(2, 1), range(4, 1)),
    resetUnderWay(VIRTIO_F_VERSION_1, OUT),
  ]) {
    fixture.disk.underWay.shift()!()
    t.is(fixture.disk.asked.length, 1)
    t.is(fixture.disk.underWay.length, 0)
  }
})
