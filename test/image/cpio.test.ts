import test from 'ava'
import fc from 'fast-check'
import { type CpioEntry, planCpio } from '../../src/image/cpio.ts'
import { readCpio, writeCpio } from '../helpers/cpio.ts'

test('an archive gives back every name, mode and content', (t) => {
  const entry = fc.record({
    path: fc
      .uint8Array({ min: 1, minLength: 1, maxLength: 40 })
      .filter((path) => Buffer.from(path).toString() !== 'TRAILER!!!'),
    mode: fc.integer({ min: 0, max: 0xffff }),
    mtime: fc.integer({ min: 0, max: 0xffff_ffff }),
    bytes: fc.uint8Array({ maxLength: 50 }),
  })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const records = readCpio(
        writeCpio(entries.map(({ path, mode, mtime, bytes }) => ({ path, mode, mtime, content: { bytes } }))),
      )
      t.deepEqual(
        records.map(({ name, mode, mtime, content }) => ({ name: [...name], mode, mtime, bytes: [...content] })),
        entries.map(({ path, mode, mtime, bytes }) => ({ name: [...path], mode, mtime, bytes: [...bytes] })),
      )
    }),
  )
})

test('contents of a page or more begin on a page, behind names of any length that still fits', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 4096, max: 9000 }), (nameLength, size) => {
      const archive = writeCpio([
        { path: Buffer.alloc(nameLength, 'x'), mode: 0o100644, content: { bytes: new Uint8Array(size).fill(7) } },
      ])
      const [record] = readCpio(archive)
      t.is(record!.content.byteOffset % 4096, archive.byteOffset % 4096)
      t.is(record!.content.length, size)
    }),
  )
})

test('names of one file share its number and say how many they are; the content is there once', (t) => {
  const first: CpioEntry = { path: Buffer.from('a'), mode: 0o100644, content: { bytes: Buffer.from('text') } }
  const other: CpioEntry = { path: Buffer.from('b'), mode: 0o100644 }
  const further: CpioEntry = { path: Buffer.from('c'), mode: 0o100644, linkTo: first }
  const [a, b, c] = readCpio(writeCpio([first, other, further]))
  t.deepEqual([a!.nlink, b!.nlink, c!.nlink], [2, 1, 2])
  t.is(a!.ino, c!.ino)
  t.not(a!.ino, b!.ino)
  t.deepEqual([a!.content.toString(), c!.content.toString()], ['text', ''])
})

test('a device node carries its number', (t) => {
  const entry = { path: Buffer.from('null'), mode: 0o020666, rdev: { major: 1, minor: 3 } }
  const [record] = readCpio(writeCpio([entry]))
  t.deepEqual(record!.rdev, [1, 3])
})

test('a file that cannot be read, or is no file any more, is refused by name', (t) => {
  for (const [file, reason] of [
    ['/no/such/file', /^Cannot read \/no\/such\/file for the root file tree: ENOENT\.$/],
    ['/dev/null', /^Cannot read \/dev\/null: it is no longer a regular file\.$/],
    ['/proc/self/exe', /^Cannot read \/proc\/self\/exe for the root file tree: ELOOP\.$/],
  ] as const) {
    const archive = planCpio([
      { path: Buffer.from('f'), mode: 0o100644, content: { file: Buffer.from(file), size: 1 } },
    ])
    t.throws(() => archive.write(new Uint8Array(archive.size)), { name: 'UsageError', message: reason })
  }
})
