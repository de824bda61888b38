import test from 'ava'
import fc from 'fast-check'
import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import { VIRTIO_F_VERSION_1 } from '../../src/virtio/device.ts'
import {
  ask,
  askRanges,
  DATA,
  DISCARD,
  F,
  FLUSH,
  GET_ID,
  HEADER,
  IN,
  IOERR,
  OK,
  OUT,
  pattern,
  range,
  SECTORS,
  STATUS,
  start,
  toDevice,
  toDriver,
  UNSUPP,
  UNTOUCHED,
  WRITE_ZEROES,
  writeHeader,
} from '../helpers/blk.ts'
import type { Buffer } from '../helpers/driver-queue.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { createMemoryDisk } from '../helpers/memory-disk.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'

test('virtio-blk tells its size in sectors, its block size and its limits (§5.2.4)', (t) => {
  const { driver } = start()
  const config = new DataView(driver.readConfig(0, 60).buffer)
  t.is(config.getBigUint64(0, true), 64n)
  t.is(config.getUint32(12, true), 254, 'header and status take two descriptors of the queue')
  t.is(config.getUint32(20, true), 512)
  t.is(config.getUint8(24), 3, 'physical blocks of 4 KiB')
  t.is(config.getUint8(32), 1)
  t.is(config.getUint8(56), 1)
  t.is(driver.read('QueueNumMax'), 256)
})

test('what is written to a sector is read from it, and nothing around it changes (§5.2.6)', (t) => {
  const fixture = start()
  const { driver, disk } = fixture
  driver.memory.bytes(DATA, 1024).set(pattern(1024))
  t.deepEqual(ask(fixture, OUT, 5, toDevice(1024)), { status: OK, used: 1 })
  t.deepEqual(disk.content.slice(5 * 512, 7 * 512), pattern(1024))
  t.true(disk.content.subarray(0, 5 * 512).every((byte) => byte === 0))
  t.true(disk.content.subarray(7 * 512).every((byte) => byte === 0))
  driver.memory.bytes(DATA, 2048).fill(0)
  t.deepEqual(ask(fixture, IN, 4, toDriver(2048)), { status: OK, used: 2049 })
  t.deepEqual(driver.memory.bytes(DATA + 512, 1024).slice(), pattern(1024))
})

test('the first and the last sector are part of the disk, and the one after the last is not (class 22)', (t) => {
  const fixture = start()
  t.is(ask(fixture, IN, 0, toDriver(512)).status, OK)
  t.is(ask(fixture, IN, 63, toDriver(512)).status, OK)
  t.is(ask(fixture, IN, 0, toDriver(64 * 512)).status, OK)
  t.deepEqual(ask(fixture, IN, 64, toDriver(512)), { status: IOERR, used: 0 })
  t.is(ask(fixture, IN, 63, toDriver(1024)).status, IOERR)
  t.is(ask(fixture, IN, 1, toDriver(32768)).status, IOERR)
})

test('a sector number whose product with 512 overflows is past the end (class 22)', (t) => {
  const fixture = start()
  for (const sector of [2n ** 44n, 2n ** 53n, 2n ** 55n, 2n ** 55n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    t.is(ask(fixture, IN, sector, toDriver(512)).status, IOERR, `${sector}`)
    t.is(ask(fixture, OUT, sector, toDevice(512)).status, IOERR, `${sector}`)
    t.is(askRanges(fixture, WRITE_ZEROES, range(sector, 1)).status, IOERR, `${sector}`)
    t.is(askRanges(fixture, DISCARD, range(sector, 1)).status, IOERR, `${sector}`)
  }
  t.deepEqual(fixture.disk.asked, [])
})

test('a length that is not a whole number of sectors is refused (class 22)', (t) => {
  const fixture = start()
  for (const length of [1, 511, 513, 1023]) {
    t.is(ask(fixture, IN, 0, toDriver(length)).status, IOERR)
    t.is(ask(fixture, OUT, 0, toDevice(length)).status, IOERR)
  }
  t.deepEqual(fixture.disk.asked, [])
})

test('an unknown type is answered with VIRTIO_BLK_S_UNSUPP (§5.2.6.2)', (t) => {
  const fixture = start()
  for (const type of [2, 3, 5, 7, 9, 14, 0x80000000, 0xffffffff])
    t.deepEqual(ask(fixture, type, 0), { status: UNSUPP, used: 1 })
})

test('a request without room for a status, or with half a header, needs a reset (class 22)', (t) => {
  const missing = start()
  missing.driver.queue(0).post(writeHeader(missing, OUT, 0), toDevice(512))
  missing.driver.kick(0)
  t.true(missing.driver.needsReset)
  const short = start()
  writeHeader(short, IN, 0)
  short.driver.queue(0).post({ gpa: HEADER, length: 15 }, { gpa: STATUS, length: 1, write: true })
  short.driver.kick(0)
  t.true(short.driver.needsReset)
  t.deepEqual([...missing.disk.asked, ...short.disk.asked], [])
})

test('requests made available before a mistake are still served', (t) => {
  const fixture = start()
  const { driver } = fixture
  driver.memory.bytes(STATUS, 1)[0] = UNTOUCHED
  driver.queue(0).post(writeHeader(fixture, FLUSH, 0), { gpa: STATUS, length: 1, write: true })
  driver.queue(0).post({ gpa: HEADER, length: 16 })
  driver.kick(0)
  t.true(driver.needsReset)
  t.is(driver.memory.bytes(STATUS, 1)[0], OK)
})

test('GET_ID gives up to 20 characters, padded with zeros, and no more than there is room for (§5.2.6.1)', (t) => {
  const fixture = start()
  fixture.driver.memory.bytes(DATA, 64).fill(UNTOUCHED)
  t.deepEqual(ask(fixture, GET_ID, 0, toDriver(20)), { status: OK, used: 21 })
  t.is(fixture.driver.text(DATA, 20), `memory${'\0'.repeat(14)}`)
  t.is(fixture.driver.memory.bytes(DATA + 20, 1)[0], UNTOUCHED)
  t.is(ask(fixture, GET_ID, 0, toDriver(3)).status, OK)
  t.is(ask(fixture, GET_ID, 0).status, OK)
  t.is(ask(fixture, GET_ID, 0, toDriver(64)).status, OK)
})

test('a read-only disk says so, flushes, and refuses every kind of write without touching anything (§5.2.6.2)', (t) => {
  const disk = createMemoryDisk({ sectors: SECTORS, readOnly: true })
  const fixture = start({ disk })
  const features = fixture.driver.offeredFeatures()
  t.not(features & F.RO, 0n)
  t.is(features & (F.DISCARD | F.WRITE_ZEROES | F.CONFIG_WCE), 0n)
  t.is(ask(fixture, OUT, 0, toDevice(512)).status, IOERR)
  t.is(askRanges(fixture, DISCARD, range(0, 8)).status, IOERR)
  t.is(askRanges(fixture, WRITE_ZEROES, range(0, 8)).status, IOERR)
  t.is(ask(fixture, FLUSH, 0).status, OK)
  t.is(ask(fixture, IN, 0, toDriver(512)).status, OK)
  t.deepEqual(disk.asked, ['flush', 'read 0+512'])
})

test('discard and write zeroes go to the disk range by range, in order (§5.2.6)', (t) => {
  const fixture = start()
  fixture.disk.content.fill(7)
  t.is(askRanges(fixture, WRITE_ZEROES, range(1, 2), range(8, 4, 1), range(9, 0)).status, OK)
  t.is(askRanges(fixture, DISCARD, range(0, 64)).status, OK)
  t.deepEqual(fixture.disk.asked, ['zero 512+1024', 'zero 4096+2048 unmap', 'discard 0+32768'])
  t.deepEqual([...fixture.disk.content.subarray(512, 1536)], new Array(1024).fill(0))
  t.is(fixture.disk.content[511], 7)
})

test('ranges past the end, unknown flags, broken or too many segments are refused as a whole (class 22)', (t) => {
  const fixture = start()
  t.is(askRanges(fixture, WRITE_ZEROES, range(0, 1), range(63, 2)).status, IOERR)
  t.is(askRanges(fixture, DISCARD, range(64, 1)).status, IOERR)
  t.is(askRanges(fixture, DISCARD, range(0, 0xffffffff)).status, IOERR)
  t.is(askRanges(fixture, DISCARD, range(0, 1, 1)).status, UNSUPP, 'discard knows no unmap flag')
  t.is(askRanges(fixture, WRITE_ZEROES, range(0, 1, 2)).status, UNSUPP)
  t.is(askRanges(fixture, DISCARD, range(0, 1, 0x80000000)).status, UNSUPP)
  t.is(askRanges(fixture, DISCARD).status, IOERR, 'no range at all')
  t.is(askRanges(fixture, DISCARD, range(0, 1).subarray(0, 15)).status, IOERR)
  t.is(askRanges(fixture, DISCARD, ...Array.from({ length: 65 }, () => range(0, 1))).status, IOERR)
  t.deepEqual(fixture.disk.asked, [])
})

test('an error of the host reaches the driver as VIRTIO_BLK_S_IOERR, promising no byte that was not read', (t) => {
  const fixture = start()
  fixture.disk.failWith = 28
  t.is(ask(fixture, OUT, 0, toDevice(512)).status, IOERR)
  t.deepEqual(ask(fixture, IN, 0, toDriver(512)), { status: IOERR, used: 0 })
  t.is(ask(fixture, FLUSH, 0).status, IOERR)
  t.is(askRanges(fixture, WRITE_ZEROES, range(0, 1), range(2, 1)).status, IOERR)
  t.deepEqual(fixture.disk.asked.slice(3), ['zero 0+512'], 'the first range that fails is the last')
  fixture.disk.failWith = 0
  t.is(ask(fixture, IN, 0, toDriver(512)).status, OK)
})

test('requests end in any order, each with its own chain', (t) => {
  const fixture = start({ disk: createMemoryDisk({ sectors: SECTORS, late: true }) })
  const { driver, disk } = fixture
  disk.content.set(pattern(3 * 512))
  const heads = [0, 1, 2].map((sector) => {
    const header = new DataView(new ArrayBuffer(16))
    header.setUint32(8, sector, true)
    driver.memory.bytes(HEADER + 16 * sector, 16).set(new Uint8Array(header.buffer))
    return driver
      .queue(0)
      .post(
        { gpa: HEADER + 16 * sector, length: 16 },
        { gpa: DATA + 512 * sector, length: 512, write: true },
        { gpa: STATUS + sector, length: 1, write: true },
      )
  })
  driver.kick(0)
  t.deepEqual(driver.queue(0).takeUsed(), [])
  for (const index of [2, 0, 1]) disk.underWay[index]!()
  t.deepEqual(
    driver
      .queue(0)
      .takeUsed()
      .map(({ id }) => id),
    [heads[2]!, heads[0]!, heads[1]!],
  )
  t.deepEqual(driver.memory.bytes(DATA, 3 * 512).slice(), pattern(3 * 512))
})

test('a driver that keeps to the sizes of segments and their number never sends too much at once (§5.2.4)', (t) => {
  const { driver } = start()
  const config = new DataView(driver.readConfig(0, 60).slice().buffer)
  t.not(driver.offeredFeatures() & (1n << 1n), 0n)
  const most = config.getUint32(8, true) * config.getUint32(12, true)
  t.true(most + 17 <= virtioBlk(createMemoryDisk({})).queues[0]!.maxChainBytes!)
})

test('a write is stable when it is answered if the driver can neither flush nor choose (§5.2.6.2)', (t) => {
  const fixture = start({ features: VIRTIO_F_VERSION_1 })
  t.is(ask(fixture, OUT, 0, toDevice(512)).status, OK)
  t.deepEqual(fixture.disk.asked, ['write 0+512', 'flush'])
})

test('a driver that turns the write cache off has every write flushed, until it turns it on again (§5.2.5.2)', (t) => {
  const fixture = start()
  fixture.driver.writeAt(0x100 + 32, 0, 1)
  t.is(fixture.driver.readConfig(32, 1)[0], 0)
  t.is(ask(fixture, OUT, 0, toDevice(512)).status, OK)
  t.is(askRanges(fixture, WRITE_ZEROES, range(0, 1)).status, OK)
  fixture.driver.writeAt(0x100 + 32, 1, 1)
  t.is(ask(fixture, OUT, 0, toDevice(512)).status, OK)
  t.deepEqual(fixture.disk.asked, ['write 0+512', 'flush', 'zero 0+512', 'flush', 'write 0+512'])
})

test('a write is answered only when its flush has ended, and with its error', (t) => {
  const fixture = start({ features: VIRTIO_F_VERSION_1, disk: createMemoryDisk({ sectors: SECTORS, late: true }) })
  t.is(ask(fixture, OUT, 0, toDevice(512)).status, UNTOUCHED)
  fixture.disk.underWay[0]!()
  t.is(fixture.driver.memory.bytes(STATUS, 1)[0], UNTOUCHED)
  fixture.disk.failWith = 5
  fixture.disk.underWay[1]!()
  t.is(fixture.driver.memory.bytes(STATUS, 1)[0], IOERR)
})

test('requests under way when a device is saved are done again by the one that is restored', (t) => {
  const fixture = start({ disk: createMemoryDisk({ sectors: SECTORS, late: true }) })
  const { driver } = fixture
  driver.memory.bytes(DATA, 512).set(pattern(512))
  t.is(ask(fixture, OUT, 3, toDevice(512)).status, UNTOUCHED)
  const disk = createMemoryDisk({ sectors: SECTORS })
  const other = new MmioDriver(virtioBlk(disk), driver.guarded)
  other.transport.restore(JSON.parse(JSON.stringify(driver.transport.save())))
  other.settle()
  t.deepEqual(disk.content.slice(3 * 512, 4 * 512), pattern(512))
  t.is(other.memory.bytes(STATUS, 1)[0], OK)
})

test('a device is not restored over a disk of another size (class 32)', (t) => {
  const state = start().driver.transport.save()
  const other = new MmioDriver(virtioBlk(createMemoryDisk({ sectors: SECTORS + 1 })))
  t.throws(() => other.transport.restore(state), { name: 'HostError', message: /32768 bytes/ })
})

test('a disk that may be exchanged tells a restored driver its new size by a configuration change (§5.2.6)', (t) => {
  const { driver } = start()
  const state = JSON.parse(JSON.stringify(driver.transport.save()))
  const restored = (sectors: number, options = { exchanged: true }) => {
    const device = virtioBlk(createMemoryDisk({ sectors }), undefined, options)
    const other = new MmioDriver(device, driver.guarded)
    other.transport.restore(state)
    return other
  }
  const larger = restored(SECTORS * 3)
  t.is(larger.read('InterruptStatus') & 2, 2)
  t.deepEqual([...larger.readConfig(0, 8)], [SECTORS * 3, 0, 0, 0, 0, 0, 0, 0])
  t.is(restored(SECTORS).read('InterruptStatus') & 2, 0)
  const readOnly = virtioBlk(createMemoryDisk({ sectors: SECTORS, readOnly: true }), undefined, { exchanged: true })
  t.throws(() => new MmioDriver(readOnly).transport.restore(state), { name: 'HostError' })
})

/** Cuts a length into pieces, so that nothing is where a driver usually puts it. */
const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 12 })
const cut = (at: number, total: number, sizes: readonly number[], write: boolean): Buffer[] => {
  const buffers: Buffer[] = []
  let done = 0
  for (const size of [...sizes, total]) {
    const length = Math.min(size, total - done)
    if (length > 0) buffers.push({ gpa: at + done, length, write })
    done += length
  }
  return buffers
}

test('any framing of a request means the same (§2.7.4): the disk follows a model, and memory around stays untouched', (t) => {
  const request = fc.record({
    type: fc.constantFrom(IN, IN, OUT, OUT, FLUSH, WRITE_ZEROES, 99),
    sector: fc.integer({ min: 0, max: SECTORS + 1 }),
    length: fc.oneof(
      fc.integer({ min: 0, max: 6 }).map((sectors) => sectors * 512),
      fc.integer({ min: 0, max: 2000 }),
    ),
    seed: fc.integer({ min: 0, max: 255 }),
    readable: cuts,
    writable: cuts,
  })
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), (requests) => {
      const disk = createMemoryDisk({ sectors: SECTORS })
      const device = virtioBlk(disk)
      const guarded = createGuardedMemory()
      const driver = new MmioDriver(device, guarded)
      driver.start({ features: device.features | ALL_RING_FEATURES, size: 32 })
      const model = new Uint8Array(SECTORS * 512)
      for (const { type, sector, length, seed, readable, writable } of requests) {
        const inside = length % 512 === 0 && sector * 512 + length <= model.length
        const payload =
          type === OUT ? pattern(length, seed) : type === WRITE_ZEROES ? range(sector, length >> 9) : new Uint8Array(0)
        // Header and data lie next to each other, and so do data and status: any cut is possible.
        const header = new DataView(new ArrayBuffer(16))
        header.setUint32(0, type, true)
        header.setUint32(8, sector, true)
        driver.memory.bytes(DATA, 16).set(new Uint8Array(header.buffer))
        driver.memory.bytes(DATA + 16, payload.length).set(payload)
        const room = (type === IN ? length : 0) + 1
        const into = driver.memory.bytes(0xc000, 4096).fill(UNTOUCHED)
        driver.queue(0).post(...cut(DATA, 16 + payload.length, readable, false), ...cut(0xc000, room, writable, true))
        driver.kick(0)
        t.is(driver.queue(0).takeUsed().length, 1)
        const status = into[room - 1]!
        if (type === IN) {
          t.is(status, inside ? OK : IOERR)
          if (inside) t.deepEqual(into.slice(0, length), model.slice(sector * 512, sector * 512 + length))
        } else if (type === OUT) {
          t.is(status, inside ? OK : IOERR)
          if (inside) model.set(payload, sector * 512)
        } else if (type === WRITE_ZEROES) {
          const fits = sector + (length >> 9) <= SECTORS
          t.is(status, fits ? OK : IOERR)
          if (fits) model.fill(0, sector * 512, (sector + (length >> 9)) * 512)
        } else t.is(status, type === FLUSH ? OK : UNSUPP)
        t.true(into.subarray(room).every((byte) => byte === UNTOUCHED))
      }
      t.deepEqual(disk.content.slice(), model)
      t.true(disk.guardsIntact())
      t.deepEqual(guarded.strayWrites(), [])
      t.deepEqual(driver.log, [])
    }),
    { numRuns: 150 },
  )
})
