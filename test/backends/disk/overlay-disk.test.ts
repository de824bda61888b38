import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { BlockMap } from '../../../src/backends/disk/block-map.ts'
import type { Disk } from '../../../src/backends/disk/disk.ts'
import { openThrowAwayDisk } from '../../../src/backends/disk/open-disk.ts'
import { createOverlayDisk } from '../../../src/backends/disk/overlay-disk.ts'
import { openPersistentDisk } from '../../../src/backends/disk/persistent-overlay.ts'
import { ask, diskFiles, pattern, readAll, write } from '../../helpers/disk-files.ts'
import { createMemoryDisk } from '../../helpers/memory-disk.ts'

const SIZE = 64 * 1024
const CHUNK = 16 * 2 ** 20
const ECANCELED = 125

const flush = (disk: Disk) => ask(disk, (done) => disk.flush(done))

test('a map says of every sector what was added to it, whatever the ranges', (t) => {
  const sectors = 3 * (CHUNK / 512)
  const near = fc.constantFrom(0, 1, 7, 8, 9, CHUNK / 512 - 1, CHUNK / 512, CHUNK / 512 + 9)
  const place = fc.oneof(near, fc.integer({ min: 0, max: sectors - 1 }))
  const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: CHUNK / 256 }))
  const piece = fc.tuple(place, size).map(([at, length]) => [at, Math.min(length, sectors - at)] as const)
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), piece, (added, [from, length]) => {
      const map = new BlockMap()
      const model = new Uint8Array(sectors)
      for (const [at, count] of added) {
        map.add(at * 512, count * 512)
        model.fill(1, at, at + count)
      }
      let at = from
      let last: boolean | undefined
      for (const run of map.runs(from * 512, length * 512)) {
        t.is(run.offset, at * 512)
        t.not(run.held, last, 'neighbouring runs differ')
        const end = at + run.length / 512
        if (model.subarray(at, end).includes(run.held ? 0 : 1)) t.fail(`sectors ${at} to ${end}`)
        last = run.held
        at = end
      }
      t.is(at, from + length)
    }),
    { numRuns: 100 },
  )
})

test('writes to a throw-away overlay are read back, and its base never changes', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const disk = keep(openThrowAwayDisk(base, directory, files))
  t.false(disk.readOnly)
  t.deepEqual(await readAll(disk, 0, SIZE), pattern(SIZE))
  t.is(await write(disk, 1024, pattern(1024, 77)), 0)
  t.is(await flush(disk), 0)
  const expected = pattern(SIZE)
  expected.set(pattern(1024, 77), 1024)
  t.deepEqual(await readAll(disk, 0, SIZE), expected)
  t.deepEqual(new Uint8Array(readFileSync(base)), pattern(SIZE))
})

test('a throw-away overlay leaves no name behind: whatever ends its VM, the kernel takes its space back', (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  keep(openThrowAwayDisk(image('base', pattern(SIZE)), directory, files))
  t.deepEqual(readdirSync(directory), ['base'])
})

test('any number of overlays share a base, each with writes of its own', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const disks = [1, 2, 3].map(() => keep(openThrowAwayDisk(base, directory, files)))
  for (const [index, disk] of disks.entries()) t.is(await write(disk, 0, pattern(512, index)), 0)
  for (const [index, disk] of disks.entries()) t.deepEqual(await readAll(disk, 0, 512), pattern(512, index))
})

test('a stretch of which every other sector was written is read right, in several turns of the event loop', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const size = 3 * 2 ** 20
  const disk = keep(openThrowAwayDisk(image('base', pattern(size)), directory, files))
  const expected = pattern(size)
  for (let offset = 0; offset < size; offset += 1024) {
    t.is(await write(disk, offset, pattern(512, offset >> 10)), 0)
    expected.set(pattern(512, offset >> 10), offset)
  }
  let turns = 0
  const count = () => {
    turns++
    counting = setImmediate(count)
  }
  let counting = setImmediate(count)
  t.is(Buffer.compare(await readAll(disk, 0, size), expected), 0)
  clearImmediate(counting)
  t.true(turns > 2)
  // A guest that takes its memory back does not wait for those turns.
  const into = new Uint8Array(size)
  let errno = -1
  disk.read(0, [into], 0, size, (result) => {
    errno = result
  })
  disk.drain()
  t.is(errno, ECANCELED)
  const atReturn = into.slice()
  await new Promise((resolve) => setImmediate(resolve))
  t.is(Buffer.compare(into, atReturn), 0)
})

test('a stretch in many pieces has a bounded number of them under way, and its first error ends it', (t) => {
  const base = createMemoryDisk({ sectors: 8192, late: true })
  const top = createMemoryDisk({ sectors: 8192, late: true })
  const map = new BlockMap()
  for (let sector = 0; sector < 8192; sector += 2) map.add(sector * 512, 512)
  const disk = createOverlayDisk({ base, top, map, flush: () => {}, release: () => {} })
  const ends: number[] = []
  disk.read(0, [new Uint8Array(8192 * 512)], 0, 8192 * 512, (errno) => void ends.push(errno))
  t.true(base.underWay.length + top.underWay.length <= 256)
  top.failWith = 5
  for (const { underWay } of [base, top]) for (const end of underWay.splice(0)) end()
  t.deepEqual(ends, [5])
})

test('discarded and zeroed sectors never show the base again', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const disk = keep(openThrowAwayDisk(image('base', pattern(SIZE)), directory, files))
  t.is(await ask(disk, (done) => disk.discard(0, 8192, done)), 0)
  t.is(await ask(disk, (done) => disk.writeZeroes(16384, 512, true, done)), 0)
  t.true((await readAll(disk, 0, 8192)).every((byte) => byte === 0))
  t.true((await readAll(disk, 16384, 512)).every((byte) => byte === 0))
  t.deepEqual(await readAll(disk, 8192, 8192), pattern(SIZE).slice(8192, 16384))
})

test('an overlay that lasts is made over its base, and has what was written when it is opened again', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const path = join(directory, 'overlay')
  const first = openPersistentDisk(path, base, files)
  t.is(await write(first, 512, pattern(512, 3)), 0)
  first.close()
  const again = keep(openPersistentDisk(path, base, files))
  const expected = pattern(SIZE)
  expected.set(pattern(512, 3), 512)
  t.deepEqual(await readAll(again, 0, SIZE), expected)
  t.deepEqual(new Uint8Array(readFileSync(base)), pattern(SIZE))
  t.is(statSync(path).mode & 0o777, 0o600)
})

test('after a crash an overlay has everything up to its last flush, and later sectors as before or as written', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const path = join(directory, 'overlay')
  const disk = keep(openPersistentDisk(path, base, files))
  t.is(await write(disk, 0, pattern(1024, 5)), 0)
  t.is(await flush(disk), 0)
  t.is(await write(disk, 1024, pattern(512, 6)), 0)
  // As a crash would leave it: no end of the disk, no flush.
  const copy = image('copy', readFileSync(path))
  const survivor = keep(openPersistentDisk(copy, base, files))
  t.deepEqual(await readAll(survivor, 0, 1024), pattern(1024, 5))
  t.deepEqual(
    await readAll(survivor, 1024, 512),
    pattern(SIZE).slice(1024, 1536),
    'the map names only what was flushed',
  )
})

test('flushes that overlap each cover what was written before they began', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const path = join(directory, 'overlay')
  const disk = keep(openPersistentDisk(path, base, files))
  t.is(await write(disk, 0, pattern(512, 1)), 0)
  const first = flush(disk)
  t.is(await write(disk, 512, pattern(512, 2)), 0)
  const second = flush(disk)
  t.deepEqual(await Promise.all([first, second]), [0, 0])
  const survivor = keep(openPersistentDisk(image('copy', readFileSync(path)), base, files))
  t.deepEqual(await readAll(survivor, 0, 512), pattern(512, 1))
  t.deepEqual(await readAll(survivor, 512, 512), pattern(512, 2))
})

test('an overlay over a base that has changed since is refused, and so is what is no overlay', (t) => {
  const { files, image, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const path = join(directory, 'overlay')
  openPersistentDisk(path, base, files).close()
  utimesSync(base, new Date(), new Date(Date.now() + 5000))
  t.throws(() => openPersistentDisk(path, base, files), { name: 'UsageError', message: /base has changed since/ })
  const raw = image('raw', pattern(SIZE))
  t.throws(() => openPersistentDisk(raw, base, files), { name: 'UsageError', message: /it is no overlay/ })
  t.deepEqual(new Uint8Array(readFileSync(raw)), pattern(SIZE))
})

test('an overlay over a base with a very long path is opened again', (t) => {
  const { files, directory } = diskFiles(t)
  const deep = join(directory, ...new Array<string>(10).fill('"'.repeat(250)))
  mkdirSync(deep, { recursive: true })
  const base = join(deep, 'base')
  writeFileSync(base, pattern(SIZE))
  const path = join(directory, 'overlay')
  openPersistentDisk(path, base, files).close()
  t.notThrows(() => openPersistentDisk(path, base, files).close())
})

test('an overlay whose label lies is refused or reads as a disk of its base, never beyond (class 32)', (t) => {
  const { files, image, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const path = join(directory, 'overlay')
  openPersistentDisk(path, base, files).close()
  const good = readFileSync(path)
  for (const [from, to] of [
    ['"bytes":65536', '"bytes":65024'],
    ['"bytes":65536', '"bytes":9e999'],
    ['"version":1', '"version":2'],
    ['"modifiedMs"', '"modifiedmS"'],
    ['{"format"', '["format"'],
  ] as const) {
    const changed = Buffer.from(good.toString('latin1').replace(from, to.padEnd(from.length)), 'latin1')
    writeFileSync(path, changed)
    t.throws(() => openPersistentDisk(path, base, files), { name: 'UsageError' }, to)
  }
  writeFileSync(path, Buffer.concat([good.subarray(0, 4096), good.subarray(8192)]))
  t.throws(() => openPersistentDisk(path, base, files), { name: 'UsageError', message: /damaged/ })
})

test('any requests: an overlay follows a model, through ends and new beginnings, and the base stays as it was', async (t) => {
  const { files, image, directory } = diskFiles(t)
  const base = image('base', pattern(SIZE))
  const path = join(directory, 'overlay')
  const model = pattern(SIZE)
  let disk = openPersistentDisk(path, base, files)
  const request = fc.record({
    kind: fc.constantFrom('read', 'read', 'write', 'write', 'zero', 'flush', 'reopen'),
    sector: fc.integer({ min: 0, max: SIZE / 512 - 16 }),
    sectors: fc.integer({ min: 1, max: 16 }),
    seed: fc.integer({ min: 0, max: 255 }),
  })
  await fc.assert(
    fc.asyncProperty(request, async ({ kind, sector, sectors, seed }) => {
      const [offset, length] = [sector * 512, sectors * 512]
      if (kind === 'read') {
        t.is(Buffer.compare(await readAll(disk, offset, length), model.subarray(offset, offset + length)), 0)
      } else if (kind === 'write') {
        t.is(await write(disk, offset, pattern(length, seed)), 0)
        model.set(pattern(length, seed), offset)
      } else if (kind === 'zero') {
        t.is(await ask(disk, (done) => disk.writeZeroes(offset, length, seed % 2 === 0, done)), 0)
        model.fill(0, offset, offset + length)
      } else if (kind === 'flush') t.is(await flush(disk), 0)
      else {
        disk.close()
        disk = openPersistentDisk(path, base, files)
      }
    }),
    { numRuns: 150 },
  )
  t.is(Buffer.compare(await readAll(disk, 0, SIZE), model), 0)
  t.is(Buffer.compare(readFileSync(base), pattern(SIZE)), 0)
  disk.close()
})
