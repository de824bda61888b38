import { readFileSync, statSync, truncateSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { openRawDisk } from '../../../src/backends/disk/open-disk.ts'
import { ask, changed, diskFiles, pattern, readAll, write } from '../../helpers/disk-files.ts'

const SIZE = 64 * 1024
const EIO = 5
const EINVAL = 22
const EOPNOTSUPP = 95
const ECANCELED = 125

for (const engine of ['best', 'pool'] as const) {
  const by = engine === 'best' ? 'by io_uring, where the host has it' : 'by the thread pool'

  test(`a raw disk reads and writes its file at the offset asked for, ${by}`, async (t) => {
    const { files, image, keep } = diskFiles(t, engine)
    const path = image('disk', pattern(SIZE))
    const disk = keep(openRawDisk(path, false, files))
    t.is(disk.bytes, SIZE)
    t.deepEqual(await readAll(disk, 512, 1024), pattern(SIZE).slice(512, 1536))
    t.is(await write(disk, 1024, pattern(512, 9)), 0)
    t.is(await ask(disk, (done) => disk.flush(done)), 0)
    const expected = pattern(SIZE)
    expected.set(pattern(512, 9), 1024)
    t.deepEqual(new Uint8Array(readFileSync(path)), expected)
  })

  test(`zeroed ranges read as zeros and keep the size of the file, punched or not, ${by}`, async (t) => {
    const { files, image, keep } = diskFiles(t, engine)
    const path = image('disk', pattern(SIZE))
    const disk = keep(openRawDisk(path, false, files))
    t.is(await ask(disk, (done) => disk.writeZeroes(512, 512, false, done)), 0)
    t.is(await ask(disk, (done) => disk.writeZeroes(8192, 16384, true, done)), 0)
    t.is(await ask(disk, (done) => disk.discard(SIZE - 8192, 8192, done)), 0)
    const expected = pattern(SIZE)
    expected.fill(0, 512, 1024)
    expected.fill(0, 8192, 8192 + 16384)
    t.deepEqual(new Uint8Array(readFileSync(path)).slice(0, SIZE - 8192), expected.slice(0, SIZE - 8192))
    t.is(statSync(path).size, SIZE)
  })

  test(`what lies outside the disk is refused, and the file keeps its size, ${by}`, async (t) => {
    const { files, image, keep } = diskFiles(t, engine)
    const path = image('disk', pattern(SIZE))
    const disk = keep(openRawDisk(path, false, files))
    for (const offset of [SIZE, SIZE - 512, -512, 2 ** 53, Number.NaN]) {
      t.is(await write(disk, offset, new Uint8Array(1024)), EINVAL)
      t.is(await ask(disk, (done) => disk.read(offset, [new Uint8Array(1024)], 0, 1024, done)), EINVAL)
      t.is(await ask(disk, (done) => disk.discard(offset, 1024, done)), EINVAL)
      t.is(await ask(disk, (done) => disk.writeZeroes(offset, 1024, true, done)), EINVAL)
    }
    t.deepEqual(new Uint8Array(readFileSync(path)), pattern(SIZE))
  })

  test(`a file that ends before its disk does gives EIO, not old bytes, ${by}`, async (t) => {
    const { files, image, keep } = diskFiles(t, engine)
    const path = image('disk', pattern(SIZE))
    const disk = keep(openRawDisk(path, false, files))
    truncateSync(path, 4096)
    t.is(await ask(disk, (done) => disk.read(0, [new Uint8Array(8192)], 0, 8192, done)), EIO)
    t.is(await ask(disk, (done) => disk.read(8192, [new Uint8Array(512)], 0, 512, done)), EIO)
  })

  test(`transfers too large to be done on the spot are done all the same, ${by}`, async (t) => {
    const { files, image, keep } = diskFiles(t, engine)
    const size = 6 * 2 ** 20
    const disk = keep(openRawDisk(image('disk', new Uint8Array(size)), false, files))
    t.is(await write(disk, 0, pattern(size)), 0)
    t.deepEqual(Buffer.compare(await readAll(disk, 0, size), pattern(size)), 0)
  })

  test(`300 requests at once end once each, ${by}`, async (t) => {
    const { files, image, keep } = diskFiles(t, engine)
    const disk = keep(openRawDisk(image('disk', pattern(SIZE)), false, files))
    const ends = new Array<number>(300).fill(0)
    await new Promise<void>((resolve) => {
      let left = ends.length
      for (const index of ends.keys())
        disk.flush((errno) => {
          t.is(errno, 0)
          ends[index]!++
          if (--left === 0) resolve()
        })
      disk.submit()
    })
    t.true(ends.every((count) => count === 1))
  })
}

test('a drain returns when every request has ended, where io_uring can wait for them', (t) => {
  const { files, image, keep } = diskFiles(t)
  const disk = keep(openRawDisk(image('disk', pattern(SIZE)), false, files))
  const other = keep(openRawDisk(image('other', pattern(SIZE)), false, files))
  let ended = 0
  for (let request = 0; request < 300; request++) disk.writeZeroes(0, 512, true, () => ended++)
  for (let request = 0; request < 300; request++) disk.flush(() => ended++)
  other.drain()
  disk.drain()
  if (files.kind === 'io_uring') t.is(ended, 600)
  else t.pass('the pool has no such way: pool-files.test.ts')
})

for (const errno of [EINVAL, EOPNOTSUPP])
  test(`where the host cannot make zeros (errno ${errno}), they are written, and a discard is only a hint`, async (t) => {
    const { files, image, keep } = diskFiles(t)
    const path = image('disk', pattern(SIZE))
    const refusing = changed(files, { fallocate: (_fd, _mode, _offset, _length, done) => done(-errno) })
    const disk = keep(openRawDisk(path, false, refusing))
    t.is(await ask(disk, (done) => disk.discard(0, 512, done)), 0)
    t.deepEqual(new Uint8Array(readFileSync(path)), pattern(SIZE))
    t.is(await ask(disk, (done) => disk.writeZeroes(512, 1024, true, done)), 0)
    t.deepEqual(new Uint8Array(readFileSync(path)), pattern(SIZE).fill(0, 512, 1536))
  })

test('zeros that are written one part after the other end early when the guest is reset', (t) => {
  const { files, image, keep } = diskFiles(t)
  const parts: ((result: number) => void)[] = []
  const slow = changed(files, {
    fallocate: (_fd, _mode, _offset, _length, done) => done(-EOPNOTSUPP),
    pwritev: (_fd, vector, _offset, done) => void parts.push(() => done(vector.length)),
    drain: () => {},
  })
  const path = image('disk', new Uint8Array(512))
  truncateSync(path, 2 ** 30)
  const disk = keep(openRawDisk(path, false, slow))
  const ends: number[] = []
  disk.writeZeroes(0, 2 ** 30, true, (result) => void ends.push(result))
  parts.shift()!(0)
  disk.drain()
  parts.shift()!(0)
  t.deepEqual(ends, [ECANCELED])
  t.is(parts.length, 0)
})

test('a read-only disk refuses to be written and has nothing to flush', async (t) => {
  const { files, image, keep } = diskFiles(t)
  const path = image('disk', pattern(SIZE))
  const disk = keep(openRawDisk(path, true, files))
  t.is(await write(disk, 0, new Uint8Array(512)), EINVAL)
  t.is(await ask(disk, (done) => disk.writeZeroes(0, 512, false, done)), EINVAL)
  t.is(await ask(disk, (done) => disk.discard(0, 512, done)), EINVAL)
  t.is(await ask(disk, (done) => disk.flush(done)), 0)
  t.deepEqual(new Uint8Array(readFileSync(path)), pattern(SIZE))
})

test('the serial number is the name of the file, in 20 harmless characters', (t) => {
  const { files, image, keep } = diskFiles(t)
  t.is(keep(openRawDisk(image('data.img', pattern(512)), true, files)).id, 'data.img')
  t.is(keep(openRawDisk(image('größe und mehr als zwanzig', pattern(512)), true, files)).id, 'gr__e_und_mehr_als_z')
})

test('any segments of any requests: the file follows a model byte for byte', async (t) => {
  const { files, image, keep, directory: _ } = diskFiles(t)
  const path = image('disk', new Uint8Array(SIZE))
  const disk = keep(openRawDisk(path, false, files))
  const model = new Uint8Array(SIZE)
  const request = fc.record({
    kind: fc.constantFrom('read', 'write', 'zero'),
    sector: fc.integer({ min: 0, max: SIZE / 512 - 8 }),
    sectors: fc.integer({ min: 0, max: 8 }),
    skip: fc.integer({ min: 0, max: 20 }),
    cuts: fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 6 }),
    seed: fc.integer({ min: 0, max: 255 }),
  })
  await fc.assert(
    fc.asyncProperty(request, async ({ kind, sector, sectors, skip, cuts, seed }) => {
      const [offset, length] = [sector * 512, sectors * 512]
      const host = pattern(skip + length + 10, seed)
      const before = host.slice()
      const segments: Uint8Array[] = []
      let at = 0
      for (const size of [...cuts, host.length]) {
        segments.push(host.subarray(at, Math.min(at + size, host.length)))
        at = Math.min(at + size, host.length)
      }
      if (kind === 'zero') {
        t.is(await ask(disk, (done) => disk.writeZeroes(offset, length || 512, seed % 2 === 0, done)), 0)
        model.fill(0, offset, offset + (length || 512))
      } else if (kind === 'write') {
        t.is(await ask(disk, (done) => disk.write(offset, segments, skip, length, done)), 0)
        model.set(host.subarray(skip, skip + length), offset)
      } else {
        t.is(await ask(disk, (done) => disk.read(offset, segments, skip, length, done)), 0)
        before.set(model.subarray(offset, offset + length), skip)
      }
      t.is(Buffer.compare(host, before), 0)
    }),
    { numRuns: 200 },
  )
  t.is(Buffer.compare(readFileSync(path), model), 0)
})
