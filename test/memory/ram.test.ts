/** Memory of its own and memory of an image: what each promises to whoever saves it, shares it or gives it back. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createReclaimer } from '../../src/backends/memory-reclaimer.ts'
import { BugError } from '../../src/errors.ts'
import { type MemoryImage, overlay, readImage } from '../../src/memory/memory-image.ts'
import { MIB, MMIO_HOLE_END, MMIO_HOLE_START, PAGE_SIZE } from '../../src/memory/memory-map.ts'
import { allocateRam, type Ram, type RamRegion } from '../../src/memory/ram.ts'

const SIZE = 8 * MIB

/** A file of so many bytes, page n full of the byte n + 1, all of it an image. */
function imageOf(t: ExecutionContext, bytes = SIZE): MemoryImage {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-ram-'))
  const path = join(directory, 'memory')
  const contents = Buffer.alloc(bytes)
  for (let page = 0; page < bytes / PAGE_SIZE; page++)
    contents.fill((page % 200) + 1, page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
  writeFileSync(path, contents)
  const fd = openSync(path, 'r')
  t.teardown(() => {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  return { id: path, size: bytes, pieces: [{ offset: 0, length: bytes, fd, at: 0 }] }
}

function ramOf(t: ExecutionContext, bytes: number, image?: MemoryImage): Ram {
  const ram = allocateRam(bytes, image)
  t.teardown(() => ram.close())
  return ram
}

const contentsOf = (image: MemoryImage, offset = 0, length = image.size): Buffer => {
  const bytes = Buffer.alloc(length)
  readImage(image, offset, bytes)
  return bytes
}

const openFds = () => readdirSync('/proc/self/fd').length

test.serial('memory of an image shows it at once, and what is written stays with the one that wrote it', (t) => {
  const image = imageOf(t)
  const [first, second] = [ramOf(t, SIZE, image), ramOf(t, SIZE, image)]
  t.is(first.memory.readU32(PAGE_SIZE), 0x02020202)
  first.memory.writeU32(PAGE_SIZE, 7)
  t.is(first.memory.readU32(PAGE_SIZE), 7)
  t.is(second.memory.readU32(PAGE_SIZE), 0x02020202)
  t.is(contentsOf(image, PAGE_SIZE, 4).readUInt32LE(), 0x02020202)
})

test.serial('memory of many small pieces is the same as memory of one', (t) => {
  const image = imageOf(t)
  const { fd } = image.pieces[0]!
  const zeros: MemoryImage = { size: SIZE, pieces: [{ offset: 0, length: SIZE, at: 0 }] }
  const pieces = Array.from({ length: 900 }, (_, index) => ({
    offset: 2 * index * PAGE_SIZE,
    length: PAGE_SIZE,
    fd: fd!,
    at: index * PAGE_SIZE,
  }))
  const large = { offset: 1900 * PAGE_SIZE, length: 100 * PAGE_SIZE, fd: fd!, at: 0 }
  const scattered = overlay(zeros, [...pieces, large])
  const ram = ramOf(t, SIZE, scattered)
  t.true(contentsOf(scattered).equals(ram.memory.bytes(0, SIZE)))
})

test.serial('new memory is set aside as it is, and the guest goes on in it and keeps what it writes', (t) => {
  const ram = ramOf(t, SIZE)
  ram.memory.writeU32(0, 1)
  ram.memory.writeU32(5 * MIB, 2)
  const frozen = ram.freeze()
  t.true(frozen.thawsPaused)
  t.throws(() => ram.freeze(), { instanceOf: BugError })
  ram.memory.writeU32(0, 10)
  ram.memory.writeU32(3 * MIB, 30)
  const image = frozen.image()
  t.true(
    image.pieces.some(({ fd }) => fd === undefined),
    'holes are known',
  )
  const saved = contentsOf(image)
  t.is(saved.readUInt32LE(0), 1)
  t.is(saved.readUInt32LE(3 * MIB), 0)
  t.is(saved.readUInt32LE(5 * MIB), 2)
  frozen.thaw()
  for (const [gpa, value] of [
    [0, 10],
    [3 * MIB, 30],
    [5 * MIB, 2],
  ] as const)
    t.is(ram.memory.readU32(gpa), value)
  ram.freeze().thaw()
  t.is(ram.memory.readU32(0), 10)
})

test.serial('of memory of an image what was written is told, and set aside too', (t) => {
  const image = imageOf(t)
  const ram = ramOf(t, SIZE, image)
  ram.memory.writeU32(2 * PAGE_SIZE, 0)
  ram.memory.writeU32(3 * PAGE_SIZE, 0)
  ram.memory.writeU32(SIZE - PAGE_SIZE, 5)
  t.is(ram.memory.readU32(9 * PAGE_SIZE), 0x0a0a0a0a, 'reading is no writing')
  const frozen = ram.freeze()
  t.false(frozen.thawsPaused)
  t.is(frozen.since?.image, image)
  t.deepEqual(frozen.since?.written, [
    { offset: 2 * PAGE_SIZE, length: 2 * PAGE_SIZE },
    { offset: SIZE - PAGE_SIZE, length: PAGE_SIZE },
  ])
  ram.memory.writeU32(2 * PAGE_SIZE, 9)
  const saved = contentsOf(frozen.image())
  t.is(saved.readUInt32LE(2 * PAGE_SIZE), 0)
  t.is(saved.readUInt32LE(SIZE - PAGE_SIZE), 5)
  t.is(saved.readUInt32LE(SIZE - PAGE_SIZE + 4), contentsOf(image).readUInt32LE(SIZE - PAGE_SIZE + 4))
  frozen.thaw()
  t.is(ram.memory.readU32(2 * PAGE_SIZE), 9)
})

test.serial('memory set aside outlives the memory, and nothing of either stays behind', (t) => {
  const fds = openFds()
  for (const image of [undefined, imageOf(t)]) {
    const before = openFds()
    const ram = allocateRam(SIZE, image)
    ram.memory.writeU32(MIB, 77)
    const frozen = ram.freeze()
    const set = frozen.image()
    ram.close()
    t.is(contentsOf(set, MIB, 4).readUInt32LE(), 77)
    frozen.thaw()
    t.is(openFds(), before)
    t.false(readFileSync('/proc/self/maps', 'utf8').includes('memfd:cloister-ram'))
  }
  t.is(openFds(), fds + 1, 'the file of the image itself')
})

test.serial('pages of an image that are given back hold what they held once, or zeros where that was promised', (t) => {
  const image = imageOf(t)
  const ram = ramOf(t, SIZE, image)
  const reclaimer = createReclaimer()
  reclaimer.bind(ram)
  ram.memory.bytes(0, 2 * MIB).fill(0xaa)
  // A balloon: the driver expects nothing of them.
  t.is(reclaimer.release(0, MIB), MIB)
  t.is(ram.memory.readU32(0), 0x01010101)
  // A report of free pages: zeros they were, zeros they are.
  t.is(reclaimer.releaseView(ram.memory.bytes(MIB, MIB)), MIB)
  t.true(ram.memory.bytes(MIB, MIB).every((byte) => byte === 0))
  t.is(reclaimer.releaseView(ram.memory.bytes(4 * MIB, PAGE_SIZE)), 0, 'a page alone is not worth it')
  const [, , third] = [...Array(3).keys()].map((page) => ram.memory.readU32(4 * MIB + page * PAGE_SIZE))
  t.is(third, contentsOf(image).readUInt32LE(4 * MIB + 2 * PAGE_SIZE))
  // It counts as written: a diff to the image has to hold it.
  const frozen = ram.freeze()
  t.true(contentsOf(frozen.image(), MIB, MIB).every((byte) => byte === 0))
  t.true(frozen.since!.written.some(({ offset, length }) => offset <= MIB && offset + length >= 2 * MIB))
  t.is(reclaimer.release(4 * MIB, MIB), 0, 'nothing is given while it is set aside')
  frozen.thaw()
})

test.serial('files of an image stay open as long as a memory of it lives', (t) => {
  let users = 0
  const image = {
    ...imageOf(t),
    keep() {
      users++
      return () => void users--
    },
  }
  const ram = allocateRam(SIZE, image)
  const frozen = ram.freeze()
  ram.close()
  t.is(users, 1, 'who has it set aside reads from them')
  frozen.thaw()
  t.is(users, 0)
})

test.serial(
  'small pieces are copied, and one that is given back is the same to the guest and to a snapshot of it',
  (t) => {
    const image = imageOf(t)
    const { fd } = image.pieces[0]!
    const zeros: MemoryImage = { size: SIZE, pieces: [{ offset: 0, length: SIZE, at: 0 }] }
    const small = { ...overlay(zeros, [{ offset: 2 * PAGE_SIZE, length: PAGE_SIZE, fd: fd!, at: 0 }]), id: 'small' }
    const ram = ramOf(t, SIZE, small)
    const reclaimer = createReclaimer()
    reclaimer.bind(ram)
    t.is(ram.memory.readU32(2 * PAGE_SIZE), 0x01010101)
    t.is(reclaimer.release(2 * PAGE_SIZE, PAGE_SIZE), PAGE_SIZE)
    // Not looked at before: a page of zeros that was read counts as written.
    const frozen = ram.freeze()
    t.is(contentsOf(frozen.image()).readUInt32LE(2 * PAGE_SIZE), ram.memory.readU32(2 * PAGE_SIZE))
    t.true(
      frozen.since!.written.some(({ offset, length }) => offset <= 2 * PAGE_SIZE && offset + length > 2 * PAGE_SIZE),
      'a diff to the image has to hold it',
    )
    frozen.thaw()
  },
)

test.serial('memory that cannot be set aside whole is what it was, and can be later', (t) => {
  const module = (name: string) => JSON.stringify(new URL(`../../${name}.js`, import.meta.url).href)
  // The first region goes over the limit, the second is refused.
  const child = `
    import { execFileSync } from 'node:child_process'
    import { readFileSync } from 'node:fs'
    import { allocateRam } from ${module('src/memory/ram')}
    import { readImage } from ${module('src/memory/memory-image')}
    const GIB = 2 ** 30
    const limit = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--data=' + bytes + ':'])
    const held = Number(/VmData:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
    const ram = allocateRam(4 * GIB)
    ram.memory.writeU32(0, 1)
    ram.memory.writeU32(4 * GIB, 2)
    limit(held + GIB)
    let refused
    try {
      ram.freeze()
    } catch ({ code }) {
      refused = code
    }
    limit('unlimited')
    ram.memory.writeU32(0, ram.memory.readU32(0) + 10)
    ram.memory.writeU32(4 * GIB, ram.memory.readU32(4 * GIB) + 10)
    const frozen = ram.freeze()
    const words = [0, 3 * GIB].map((offset) => {
      const word = Buffer.alloc(4)
      readImage(frozen.image(), offset, word)
      return word.readUInt32LE()
    })
    console.log(JSON.stringify({ refused, words }))`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', child], { encoding: 'utf8' })
  t.deepEqual(JSON.parse(said), { refused: 'ENOMEM', words: [11, 12] })
})

test.serial('where nothing is in memory a byte takes a page, however the host hands out huge ones', (t) => {
  const image = imageOf(t, SIZE)
  const { fd } = image.pieces[0]!
  const zeros: MemoryImage = { size: SIZE, pieces: [{ offset: 0, length: SIZE, at: 0 }] }
  const [{ hva }] = ramOf(t, SIZE, overlay(zeros, [{ offset: 0, length: MIB, fd: fd!, at: 0 }])).regions as [RamRegion]
  const maps = readFileSync('/proc/self/smaps', 'utf8')
  const rest = maps.slice(maps.indexOf(`${(hva + BigInt(MIB)).toString(16)}-`))
  t.regex(/VmFlags:(.*)/.exec(rest)![1]!, / nh /)
})

test('an image of very many pieces is put over another like any other', (t) => {
  const pieces = Array.from({ length: 200_000 }, (_, page) => ({
    offset: page * PAGE_SIZE,
    length: PAGE_SIZE,
    fd: 0,
    at: 2 * page * PAGE_SIZE,
  }))
  const last = 200_000 * PAGE_SIZE
  const image = { size: last + PAGE_SIZE, pieces: [...pieces, { offset: last, length: PAGE_SIZE, at: 0 }] }
  const put = overlay(image, [{ offset: last, length: PAGE_SIZE, fd: 1, at: 0 }])
  t.is(put.pieces.length, 200_001)
  t.is(put.pieces.at(-1)?.fd, 1)
})

test.serial('memory of an image lies on both sides of the hole below 4 GiB, and is set aside from both', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-ram-'))
  const path = join(directory, 'memory')
  const size = MMIO_HOLE_START + SIZE
  writeFileSync(path, 'below')
  truncateSync(path, size)
  const fd = openSync(path, 'r+')
  t.teardown(() => {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  writeSync(fd, 'above', MMIO_HOLE_START + PAGE_SIZE)
  const ram = ramOf(t, size, { size, pieces: [{ offset: 0, length: size, fd, at: 0 }] })
  const text = (gpa: number) => Buffer.from(ram.memory.bytes(gpa, 5)).toString()
  t.deepEqual([text(0), text(MMIO_HOLE_END + PAGE_SIZE)], ['below', 'above'])
  ram.memory.writeU32(MMIO_HOLE_START - PAGE_SIZE, 1)
  ram.memory.writeU32(MMIO_HOLE_END, 2)
  const frozen = ram.freeze()
  t.deepEqual(frozen.since?.written, [
    { offset: MMIO_HOLE_START - PAGE_SIZE, length: PAGE_SIZE },
    { offset: MMIO_HOLE_START, length: PAGE_SIZE },
  ])
  const image = frozen.image()
  t.is(contentsOf(image, MMIO_HOLE_START - PAGE_SIZE, 4).readUInt32LE(), 1)
  t.is(contentsOf(image, MMIO_HOLE_START, 4).readUInt32LE(), 2)
  t.is(contentsOf(image, MMIO_HOLE_START + PAGE_SIZE, 5).toString(), 'above')
  frozen.thaw()
})
