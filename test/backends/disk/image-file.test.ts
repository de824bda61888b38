import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openImage } from '../../../src/backends/disk/image-file.ts'
import { diskFiles } from '../../helpers/disk-files.ts'

const SECTOR = new Uint8Array(512)

test('an image is opened with its size, and a link to one is followed', (t) => {
  const { image, directory, keep } = diskFiles(t)
  const path = image('disk', new Uint8Array(1536))
  t.is(keep(openImage(path, 'read')).bytes, 1536)
  symlinkSync(path, join(directory, 'link'))
  t.is(keep(openImage(join(directory, 'link'), 'read')).bytes, 1536)
})

test('what is no disk is refused by name, with what to do about it', (t) => {
  const { image, directory } = diskFiles(t)
  mkdirSync(join(directory, 'dir'))
  execFileSync('mkfifo', [join(directory, 'fifo')])
  const rows: readonly [string, RegExp, RegExp][] = [
    [join(directory, 'missing'), /there is no such file/, /truncate -s 1G .*missing/],
    [join(directory, 'dir'), /it is a directory/, /raw image file or a block device/],
    [join(directory, 'fifo'), /it is a FIFO/, /raw image/],
    ['/dev/null', /it is a character device/, /raw image/],
    [image('empty', new Uint8Array(0)), /it is empty/, /truncate -s 1G .*empty/],
    [image('odd', new Uint8Array(513)), /its 513 bytes are not a whole number of 512-byte sectors/, /truncate -s %512/],
    [join(image('file', SECTOR), 'below'), /a part of the path is a file/, /^$/],
  ]
  for (const [path, message, hint] of rows) {
    for (const access of ['read', 'write'] as const) {
      const error = t.throws(() => openImage(path, access), { name: 'UsageError', message })
      t.true(error?.message.startsWith(`Cannot attach ${path} as a disk: `))
      t.regex((error as { hint?: string }).hint ?? '', hint)
    }
  }
})

const unprivileged = process.geteuid?.() === 0 ? test.skip : test

unprivileged('an image that this user may only read says so, and how to attach it read-only', (t) => {
  const { image, keep } = diskFiles(t)
  const path = image('disk', SECTOR)
  chmodSync(path, 0o400)
  const error = t.throws(() => openImage(path, 'write'), { name: 'UsageError', message: /it cannot be written/ })
  t.regex((error as { hint?: string }).hint ?? '', /:ro$/)
  keep(openImage(path, 'read'))
})

test('a disk that one VM writes is no other one’s, until that one has ended', (t) => {
  const { image, keep } = diskFiles(t)
  const path = image('disk', SECTOR)
  const writer = openImage(path, 'write')
  const again = t.throws(() => openImage(path, 'write'), { name: 'HostError', message: /another VM has it attached/ })
  t.true(again?.message.includes(path))
  t.throws(() => openImage(path, 'read'), { name: 'HostError', message: /another VM writes it/ })
  writer.close()
  keep(openImage(path, 'write'))
})

test('any number of VMs read a disk at once, and none writes it meanwhile', (t) => {
  const { image, keep } = diskFiles(t)
  const path = image('disk', SECTOR)
  for (let reader = 0; reader < 5; reader++) keep(openImage(path, 'read'))
  t.throws(() => openImage(path, 'write'), { name: 'HostError', message: /another VM has it attached/ })
})
