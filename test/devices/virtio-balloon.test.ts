import test from 'ava'
import fc from 'fast-check'
import type { MemoryReclaimer } from '../../src/backends/memory-reclaimer.ts'
import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { ALL_RING_FEATURES, MmioDriver, READY } from '../helpers/mmio-driver.ts'

const PAGE = 4096
const MEMORY = 256 * PAGE
const DATA = 0x8000
const [INFLATE, DEFLATE, STATS, FOURTH, FIFTH] = [0, 1, 2, 3, 4]
const POISON = 1n << 4n
const NUM_PAGES = 0
const ACTUAL = 4
const POISON_VAL = 12

/** Notes what it is given. */
const start = ({ features = (1n << 1n) | (1n << 2n) | (1n << 5n), memoryBytes = MEMORY, guestBytes = MEMORY } = {}) => {
  const ranges: { gpa: number; length: number }[] = []
  const views: Uint8Array[] = []
  const reclaimer: MemoryReclaimer = {
    release: (gpa, length) => {
      ranges.push({ gpa, length })
      return length
    },
    releaseView: (bytes) => {
      views.push(bytes)
      return bytes.length
    },
  }
  const device = virtioBalloon({ memoryBytes, reclaimer })
  const driver = new MmioDriver(device, createGuardedMemory([{ gpa: 0, size: guestBytes }]))
  driver.start({ features: features | ALL_RING_FEATURES })
  const config = (offset: number) => new DataView(driver.readConfig(offset, 4).buffer).getUint32(0, true)
  /** A list of page frame numbers. */
  const post = (index: number, frames: readonly number[]) => {
    for (const [i, frame] of frames.entries()) driver.memory.writeU32(DATA + 4 * i, frame)
    driver.queue(index).post({ gpa: DATA, length: 4 * frames.length })
    driver.kick(index)
    return driver.queue(index).takeUsed()
  }
  return { device, driver, reclaimer, ranges, views, config, post }
}

const writeStatistics = (driver: MmioDriver, entries: readonly (readonly [tag: number, value: bigint])[]) => {
  const bytes = new Uint8Array(10 * entries.length)
  const view = new DataView(bytes.buffer)
  for (const [i, [tag, value]] of entries.entries()) {
    view.setUint16(10 * i, tag, true)
    view.setBigUint64(10 * i + 2, value, true)
  }
  driver.memory.bytes(DATA, bytes.length).set(bytes)
  return { gpa: DATA, length: bytes.length }
}

test('virtio-balloon is device 5 with statistics, deflate-on-OOM, poison and reporting, and no more (§5.5.3)', (t) => {
  const { device, driver, config } = start()
  t.is(driver.read('DeviceID'), 5)
  t.is(device.features, 0b110110n)
  t.is(config(NUM_PAGES), 0)
  t.is(driver.status, READY)
})

test('virtio-balloon asks for pages by num_pages and an interrupt, and hears of them by actual (§5.5.6)', (t) => {
  const { device, driver, config } = start()
  const before = driver.interrupts
  device.setTarget(MEMORY - 10 * PAGE)
  t.is(config(NUM_PAGES), 10)
  t.is(driver.interrupts, before + 1)
  t.is(device.targetBytes, MEMORY - 10 * PAGE)
  t.is(device.actualBytes, MEMORY)
  driver.writeAt(0x100 + ACTUAL, 10, 4)
  t.is(device.actualBytes, MEMORY - 10 * PAGE)
})

test('a target above all memory asks for nothing, and one below none for all of it', (t) => {
  const { device, config } = start()
  device.setTarget(2 * MEMORY)
  t.is(config(NUM_PAGES), 0)
  device.setTarget(-1)
  t.is(config(NUM_PAGES), 256)
})

test('a driver that lies about actual makes no figure below zero', (t) => {
  const { device, driver } = start()
  driver.writeAt(0x100 + ACTUAL, 0xffffffff, 4)
  t.is(device.actualBytes, 0)
})

test('the driver writes actual and poison_val, byte by byte if it likes, and nothing else (§5.5.4)', (t) => {
  const { driver, config } = start()
  for (let i = 0; i < 4; i++) driver.writeAt(0x100 + ACTUAL + i, 0x11 * (i + 1), 1)
  t.is(config(ACTUAL), 0x44332211)
  driver.writeAt(0x100 + POISON_VAL, 0xaa, 4)
  t.is(config(POISON_VAL), 0xaa)
  driver.writeAt(0x100 + NUM_PAGES, 77, 4)
  driver.writeAt(0x100 + 8, 77, 4)
  t.deepEqual([config(NUM_PAGES), config(8)], [0, 0])
  driver.start()
  t.deepEqual([config(ACTUAL), config(POISON_VAL)], [0, 0])
})

test('one turn gives back one full list of pages, each a system call at worst; others have their turn in between', (t) => {
  const { driver } = start()
  for (let lists = 0; lists < 3; lists++) driver.queue(INFLATE).post({ gpa: DATA, length: 4 * 256 })
  driver.kick(INFLATE)
  t.is(driver.queue(INFLATE).usedIndex, 1)
  driver.settle()
  t.is(driver.queue(INFLATE).usedIndex, 3)
})

test('pages of the inflate queue go back to the host, neighbours together (§5.5.6)', (t) => {
  const { ranges, post } = start()
  t.is(post(INFLATE, [12, 10, 11, 40])[0]!.length, 0)
  t.deepEqual(ranges, [
    { gpa: 10 * PAGE, length: 3 * PAGE },
    { gpa: 40 * PAGE, length: PAGE },
  ])
})

test('a page that is named twice goes back once (class 26)', (t) => {
  const { ranges, post } = start()
  post(INFLATE, [5, 5, 6, 5, 6])
  t.deepEqual(ranges, [{ gpa: 5 * PAGE, length: 2 * PAGE }])
})

test('the highest page frame number makes an address that no 32-bit operator has touched (class 34)', (t) => {
  const { ranges, post } = start()
  post(INFLATE, [0xffffffff, 0x80000000])
  t.deepEqual(ranges, [
    { gpa: 0x80000000 * PAGE, length: PAGE },
    { gpa: 0xffffffff * PAGE, length: PAGE },
  ])
})

test('a list longer than any driver sends needs a reset, and none of it is done (class 26)', (t) => {
  const { driver, ranges, post } = start()
  post(
    INFLATE,
    Array.from({ length: 1024 }, (_, i) => 2 * i),
  )
  t.is(ranges.length, 1024)
  driver.settle()
  post(
    INFLATE,
    Array.from({ length: 1025 }, (_, i) => 2 * i),
  )
  t.true(driver.needsReset)
  t.is(ranges.length, 1024)
})

test('half a page frame number at the end of a list is nobody', (t) => {
  const { driver, ranges } = start()
  driver.memory.writeU32(DATA, 9)
  driver.queue(INFLATE).post({ gpa: DATA, length: 7 })
  driver.kick(INFLATE)
  t.deepEqual(ranges, [{ gpa: 9 * PAGE, length: PAGE }])
})

test('pages of the deflate queue are the guest’s again: nothing is done to them (§5.5.6)', (t) => {
  const { ranges, views, post } = start()
  t.is(post(DEFLATE, [10, 11]).length, 1)
  t.deepEqual([ranges, views], [[], []])
})

for (const index of [FOURTH, FIFTH]) {
  test(`free pages reported on queue ${index} go back untouched, before they are acknowledged (§5.5.6.7)`, (t) => {
    const { driver, views } = start()
    const buffers = [
      { gpa: 0x40000, length: 0x10000, write: true },
      { gpa: 0x80000, length: 0x4000, write: true },
    ]
    driver.memory.bytes(0x40000, 0x10000).fill(7)
    driver.queue(index).post(...buffers)
    driver.kick(index)
    t.deepEqual(
      views.map(({ length }) => length),
      [0x10000, 0x4000],
    )
    t.is(driver.queue(index).takeUsed()[0]!.length, 0)
    t.is(driver.memory.bytes(0x40000, 0x10000).indexOf(0), -1)
  })
}

test('reported pages stay as they are when the guest counts on a pattern in them (§5.5.6.7)', (t) => {
  for (const [pattern, given] of [
    [0xaaaaaaaa, 0],
    [0, 1],
  ] as const) {
    const { driver, views } = start({ features: POISON | (1n << 5n) })
    driver.writeAt(0x100 + POISON_VAL, pattern, 4)
    driver.queue(FIFTH).post({ gpa: 0x40000, length: PAGE, write: true })
    driver.kick(FIFTH)
    t.is(driver.queue(FIFTH).takeUsed().length, 1)
    t.is(views.length, given)
  }
})

test('without VIRTIO_BALLOON_F_PAGE_REPORTING nothing that a driver offers there is given away', (t) => {
  const { driver, views } = start({ features: 0n })
  driver.queue(FIFTH).post({ gpa: 0x40000, length: PAGE, write: true })
  driver.kick(FIFTH)
  t.deepEqual(views, [])
})

test('a report may be of gigabytes: it is measured, not looked at', (t) => {
  const { driver, views } = start()
  driver.queue(FIFTH).post({ gpa: 0x40000, length: MEMORY - 0x40000, write: true })
  driver.kick(FIFTH)
  t.false(driver.needsReset)
  t.is(views[0]!.length, MEMORY - 0x40000)
})

const REPORT = 4 * 2 ** 20
/** 40 MiB of guest memory, most of it free. */
const startLarge = () => start({ guestBytes: 10 * REPORT })
const total = (views: readonly Uint8Array[]) => views.reduce((sum, { length }) => sum + length, 0)

test('a large report goes back a few megabytes a turn, and is acknowledged when all of it has', (t) => {
  const { driver, views } = startLarge()
  driver
    .queue(FIFTH)
    .post(
      { gpa: REPORT, length: 2 * REPORT, write: true },
      { gpa: 3 * REPORT, length: REPORT + PAGE, write: true },
      { gpa: 9 * REPORT, length: PAGE, write: true },
    )
  driver.kick(FIFTH)
  let turns = 1
  for (let before = 0; ; turns++) {
    const now = total(views)
    t.true(now > before && now - before <= REPORT, `${now - before} bytes in one turn`)
    before = now
    if (driver.queue(FIFTH).usedIndex === 1) break
    driver.settle(1)
  }
  t.is(total(views), 3 * REPORT + 2 * PAGE)
  t.is(turns, 4)
  driver.settle()
  t.is(total(views), 3 * REPORT + 2 * PAGE)
})

test('small reports share a turn, and large ones on both queues take turns', (t) => {
  const { driver, views } = startLarge()
  for (let i = 0; i < 4; i++) driver.queue(FIFTH).post({ gpa: REPORT * i, length: REPORT / 8, write: true })
  driver.kick(FIFTH)
  t.is(driver.queue(FIFTH).takeUsed().length, 4)
  for (const index of [FOURTH, FIFTH]) {
    driver.queue(index).post({ gpa: 0, length: 5 * REPORT, write: true })
    driver.queue(index).post({ gpa: 0, length: PAGE, write: true })
    driver.kick(index)
  }
  t.true(driver.settle() >= 4)
  for (const index of [FOURTH, FIFTH]) t.is(driver.queue(index).takeUsed().length, 2)
  t.is(total(views), REPORT / 2 + 2 * (5 * REPORT + PAGE))
})

const stopReporting = (driver: MmioDriver) => {
  driver.write('QueueSel', FIFTH)
  driver.write('QueueReady', 0)
}
const breakStatistics = (driver: MmioDriver) => {
  driver.queue(STATS).offer(99)
  driver.kick(STATS)
}
for (const [what, stop] of [
  ['reset', (driver: MmioDriver) => driver.write('Status', 0)],
  ['new driver', (driver: MmioDriver) => driver.start({ features: ALL_RING_FEATURES | (1n << 5n) })],
  ['mistake elsewhere', breakStatistics],
  ['stopped queue', stopReporting],
] as const) {
  test(`after a ${what} nothing more of a large report goes back: its pages are the guest’s again`, (t) => {
    const { driver, views } = startLarge()
    driver.queue(FIFTH).post({ gpa: 0, length: 5 * REPORT, write: true })
    driver.kick(FIFTH)
    stop(driver)
    const before = total(views)
    driver.settle()
    t.is(total(views), before)
    t.is(driver.queue(FIFTH).usedIndex, 0)
  })
}

test('a pattern that comes in the middle of a large report keeps the rest of it (§5.5.6.7)', (t) => {
  const { driver, views } = start({ guestBytes: 10 * REPORT, features: POISON | (1n << 5n) })
  driver.queue(FIFTH).post({ gpa: 0, length: 5 * REPORT, write: true })
  driver.kick(FIFTH)
  driver.writeAt(0x100 + POISON_VAL, 0xaa, 4)
  const before = total(views)
  driver.settle()
  t.is(total(views), before)
  t.is(driver.queue(FIFTH).takeUsed().length, 1)
})

test('a large report goes on from its beginning after a restore, and stands while the machine does', (t) => {
  const { driver, views } = startLarge()
  driver.queue(FIFTH).post({ gpa: 0, length: 5 * REPORT, write: true })
  driver.kick(FIFTH)
  driver.transport.hold()
  const before = total(views)
  driver.settle()
  t.is(total(views), before)
  const state = JSON.parse(JSON.stringify(driver.transport.save()))
  const other = startLarge()
  const mmio = new MmioDriver(other.device, driver.guarded)
  mmio.transport.restore(state)
  mmio.settle()
  t.is(total(other.views), 5 * REPORT)
  t.is(driver.queue(FIFTH).takeUsed().length, 1)
})

test('a report that the host cannot take needs a reset, whichever turn it fails in', (t) => {
  const { driver, reclaimer } = startLarge()
  driver.queue(FIFTH).post({ gpa: 0, length: 5 * REPORT, write: true })
  driver.kick(FIFTH)
  reclaimer.releaseView = () => {
    throw new Error('no')
  }
  driver.settle()
  t.true(driver.needsReset)
  t.is(driver.queue(FIFTH).usedIndex, 0)
})

test('statistics are asked for by using the driver’s buffer, and read from the next one (§5.5.6.3)', (t) => {
  const { driver, device } = start()
  const queue = driver.queue(STATS)
  t.is(device.statistics(), undefined)
  queue.post(writeStatistics(driver, [[4, 1000n]]))
  driver.kick(STATS)
  t.is(queue.takeUsed().length, 0)
  t.deepEqual(device.statistics(), { freeBytes: 1000 })
  t.is(queue.takeUsed().length, 1)
  t.deepEqual(device.statistics(), { freeBytes: 1000 })
  t.is(queue.takeUsed().length, 0)
  queue.post(
    writeStatistics(driver, [
      [5, 2n ** 33n],
      [99, 1n],
      [3, 42n],
      [4, 2000n],
    ]),
  )
  driver.kick(STATS)
  t.deepEqual(device.statistics(), { totalBytes: 2 ** 33, minorFaults: 42, freeBytes: 2000 })
})

test('statistics of any length and of too many buffers cost a bounded amount (class 26)', (t) => {
  const { driver, device } = start()
  const queue = driver.queue(STATS)
  queue.post({ gpa: 0, length: MEMORY })
  queue.post({ gpa: DATA, length: 9 })
  queue.post(writeStatistics(driver, [[0, 5n]]))
  driver.kick(STATS)
  t.is(queue.takeUsed().length, 2)
  t.deepEqual(device.statistics(), { swapInBytes: 5 })
})

test('after a reset there are no statistics, the target stays, and an old buffer is not used', (t) => {
  const { driver, device, config } = start()
  driver.queue(STATS).post(writeStatistics(driver, [[0, 5n]]))
  driver.kick(STATS)
  device.setTarget(MEMORY - 3 * PAGE)
  driver.start()
  t.is(device.statistics(), undefined)
  t.is(driver.queue(STATS).usedIndex, 0)
  t.is(config(NUM_PAGES), 3)
})

test('a restored balloon has its target, and asks for statistics with the buffer it had', (t) => {
  const { driver, device } = start()
  device.setTarget(MEMORY - 3 * PAGE)
  driver.queue(STATS).post(writeStatistics(driver, [[0, 5n]]))
  driver.kick(STATS)
  const other = start()
  const mmio = new MmioDriver(other.device, driver.guarded)
  mmio.transport.restore(JSON.parse(JSON.stringify(driver.transport.save())))
  mmio.settle()
  t.is(other.device.targetBytes, MEMORY - 3 * PAGE)
  t.deepEqual(other.device.statistics(), { swapInBytes: 5 })
  t.is(driver.queue(STATS).takeUsed().length, 1)
})

test('whatever lists come, what is given back is the set of the pages named, in ranges that do not touch', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffffffff })), {
          minLength: 1,
          maxLength: 60,
        }),
        { minLength: 1, maxLength: 8 },
      ),
      (lists) => {
        const { ranges, post } = start()
        for (const list of lists) {
          ranges.length = 0
          post(INFLATE, list)
          const pages = ranges.flatMap(({ gpa, length }) =>
            Array.from({ length: length / PAGE }, (_, i) => gpa / PAGE + i),
          )
          const wanted = [...new Set(list)].sort((a, b) => a - b)
          if (JSON.stringify(pages) !== JSON.stringify(wanted)) throw new Error(`${pages} of ${wanted}`)
          for (const [i, { gpa }] of ranges.entries()) {
            const before = ranges[i - 1]
            if (before && before.gpa + before.length >= gpa) throw new Error('two ranges touch')
          }
        }
      },
    ),
    { numRuns: 200 },
  )
  t.pass()
})
