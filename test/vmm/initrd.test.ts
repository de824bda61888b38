import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { UsageError } from '../../src/errors.ts'
import { initrdModule } from '../../src/vmm/initrd.ts'

const directory = mkdtempSync(join(tmpdir(), 'cloister-initrd-'))
test.after.always(() => rmSync(directory, { recursive: true }))

const fileOf = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

test('an initial RAM disk goes into guest memory byte for byte', (t) => {
  const module = initrdModule(fileOf('good', 'a cpio archive'))
  t.is(module.size, 14)
  const memory = new Uint8Array(14)
  module.write(memory)
  t.is(Buffer.from(memory).toString(), 'a cpio archive')
})

test('a file that is missing, no file, or empty is refused with the reason', (t) => {
  for (const [path, message] of [
    [join(directory, 'none'), /none as the initial RAM disk: there is no such file/],
    [directory, /not a regular file/],
    [fileOf('empty', ''), /it is empty/],
  ] as const) {
    t.throws(() => initrdModule(path), { instanceOf: UsageError, message })
  }
})

test('a file that became shorter in between is refused, not padded', (t) => {
  const path = fileOf('shrinking', 'a cpio archive')
  const module = initrdModule(path)
  truncateSync(path, 5)
  t.throws(() => module.write(new Uint8Array(14)), { instanceOf: UsageError, message: /cut short/ })
})
