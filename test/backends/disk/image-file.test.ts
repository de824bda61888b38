import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { F_OFD_GETLK, F_OFD_SETLK, F_RDLCK, F_UNLCK, F_WRLCK } from '../../../kvm-bindings/constants.ts'
import { cFunction } from '../../../kvm-bindings/ffi.ts'
import { flock } from '../../../kvm-bindings/structs/libc.ts'
import { openImage } from '../../../src/backends/disk/image-file.ts'
import { diskFiles } from '../../helpers/disk-files.ts'

const SECTOR = new Uint8Array(512)
const fcntl = cFunction('fcntl', 'int', ['int', 'int', 'void *'])

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
    ['/proc/self/maps', /it is a file of the kernel/, /raw image/],
    ['/sys/kernel/uevent_seqnum', /it is a file of the kernel/, /raw image/],
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

/** As QEMU's VMs do: perm bytes from 100 on, bytes of what they bear not from 200 on. */
const qemuLock = (t: ExecutionContext, path: string, ...locked: readonly number[]) => {
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  for (const byte of locked) t.true(lockByte(fd, F_OFD_SETLK, F_RDLCK, byte))
  return { finds: (byte: number) => !lockByte(fd, F_OFD_GETLK, F_WRLCK, byte) }
}

const lockByte = (fd: number, command: number, type: number, byte: number): boolean => {
  const lock = flock.encode({ l_type: type, l_whence: 0, l_start: BigInt(byte), l_len: 1n, l_pid: 0 })
  return fcntl()(fd, command, lock) >= 0 && (command === F_OFD_SETLK || flock.decode(lock).l_type === F_UNLCK)
}

test('an image that QEMU writes is not read meanwhile, and one that it reads is', (t) => {
  const { image, keep } = diskFiles(t)
  const [written, read] = [image('written', SECTOR), image('read', SECTOR)]
  qemuLock(t, written, 100, 101, 200)
  t.throws(() => openImage(written, 'read'), { name: 'HostError', message: /another VM writes it/ })
  t.throws(() => openImage(written, 'write'), { name: 'HostError', message: /another VM has it attached/ })
  qemuLock(t, read, 100, 201)
  keep(openImage(read, 'read'))
  t.throws(() => openImage(read, 'write'), { name: 'HostError', message: /another VM has it attached/ })
})

test('QEMU finds an image that a VM reads free to read and not to write, and one that a VM writes taken', (t) => {
  const { image, keep } = diskFiles(t)
  const [written, read] = [image('written', SECTOR), image('read', SECTOR)]
  keep(openImage(read, 'read'))
  keep(openImage(read, 'read'))
  const reader = qemuLock(t, read, 100, 101)
  t.deepEqual([200, 201].map(reader.finds), [false, true])
  keep(openImage(written, 'write'))
  t.deepEqual([100, 101, 200, 201].map(qemuLock(t, written).finds), [true, true, true, true])
})

test('any number of VMs read a disk at once, and none writes it meanwhile', (t) => {
  const { image, keep } = diskFiles(t)
  const path = image('disk', SECTOR)
  for (let reader = 0; reader < 5; reader++) keep(openImage(path, 'read'))
  t.throws(() => openImage(path, 'write'), { name: 'HostError', message: /another VM has it attached/ })
})
