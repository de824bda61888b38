import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { type CpioEntry, planCpio } from '../../src/image/cpio.ts'
import { rootTree } from '../../src/image/root-tree.ts'

interface Record {
  path: string
  mode: number
  mtime: number
  content: Buffer
}

/** Reads an archive by the rules of the format, sharing nothing with the code that wrote it. */
function readCpio(archive: Uint8Array): Record[] {
  const bytes = Buffer.from(archive)
  const records: Record[] = []
  for (let at = 0; ; ) {
    if (bytes.toString('latin1', at, at + 6) !== '070701') throw new Error(`no header at ${at}`)
    const field = (index: number) =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const nameEnd = at + 110 + field(11)
    const path = bytes.toString('utf8', at + 110, bytes.indexOf(0, at + 110))
    const contentAt = (nameEnd + 3) & ~3
    const content = bytes.subarray(contentAt, contentAt + field(6))
    if (path === 'TRAILER!!!') return records
    records.push({ path, mode: field(1), mtime: field(5), content })
    at = (contentAt + content.length + 3) & ~3
  }
}

const write = (entries: readonly CpioEntry[]) => {
  const archive = planCpio(entries)
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  return bytes
}

test('an archive gives back every name, mode and content', (t) => {
  const entry = fc.record({
    path: fc
      .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
      .filter((path) => !path.includes('\0') && path !== 'TRAILER!!!'),
    mode: fc.integer({ min: 0, max: 0xffff }),
    mtime: fc.integer({ min: 0, max: 0xffff_ffff }),
    bytes: fc.uint8Array({ maxLength: 50 }),
  })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const records = readCpio(
        write(entries.map(({ path, mode, mtime, bytes }) => ({ path, mode, mtime, content: { bytes } }))),
      )
      t.deepEqual(
        records.map(({ path, mode, mtime, content }) => ({ path, mode, mtime, bytes: [...content] })),
        entries.map(({ path, mode, mtime, bytes }) => ({ path, mode, mtime, bytes: [...bytes] })),
      )
    }),
  )
})

test('contents of a page or more begin on a page, behind names of any length that still fits', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 4096, max: 9000 }), (nameLength, size) => {
      const archive = write([
        { path: 'x'.repeat(nameLength), mode: 0o100644, content: { bytes: new Uint8Array(size).fill(7) } },
      ])
      const [record] = readCpio(archive)
      t.is(record!.content.byteOffset % 4096, archive.byteOffset % 4096)
      t.is(record!.content.length, size)
    }),
  )
})

test('a single program lies at its path, below directories made for it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const hostPath = join(directory, 'program')
  writeFileSync(hostPath, 'the bytes')
  const records = readCpio(write(rootTree({ kind: 'program', hostPath, path: '/opt/tools/program' })))
  t.deepEqual(
    records.map(({ path }) => path),
    ['opt', 'opt/tools', 'opt/tools/program'],
  )
  t.is(records[2]!.content.toString(), 'the bytes')
  t.is(records[2]!.mode, 0o100755)
})

test('a root directory keeps links as links and leaves out what a guest cannot have', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'etc'))
  writeFileSync(join(directory, 'etc/motd'), 'hello')
  symlinkSync('/etc/shadow', join(directory, 'etc/link'))
  const records = readCpio(write(rootTree({ kind: 'rootfs', directory })))
  t.deepEqual(
    records.map(({ path, content }) => [path, content.toString()]),
    [
      ['etc', ''],
      ['etc/link', '/etc/shadow'],
      ['etc/motd', 'hello'],
    ],
  )
  t.is(records[1]!.mode & 0o170000, 0o120000)
})

test('a missing root directory is refused by name', (t) => {
  t.throws(() => rootTree({ kind: 'rootfs', directory: '/no/such/root' }), { message: /\/no\/such\/root: ENOENT/ })
})
