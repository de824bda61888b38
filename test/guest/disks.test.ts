/** `--disk` as a user has it: what a program in the guest reads and writes, and what of it is in the image afterwards. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { pattern } from '../helpers/disk-files.ts'
import { kvmTest } from '../helpers/kvm.ts'

const SIZE = 256 * 1024
const BLOCK = 4096

const setUp = (t: ExecutionContext) => {
  const cloister = commandLine(t)
  const directory = temporaryDirectory(t)
  const path = join(directory, 'disk.img')
  writeFileSync(path, pattern(SIZE))
  const busybox = (disks: readonly string[], ...command: readonly string[]) =>
    cloister(
      ['run', '--isolation', 'unikernel', ...disks.flatMap((disk) => ['--disk', disk]), '/bin/busybox', ...command],
      {
        cwd: directory,
      },
    )
  return { cloister, directory, path, busybox }
}

const image = (path: string): Uint8Array => new Uint8Array(readFileSync(path))
/** What zeros from the guest make of it. */
const zeroed = (content: Uint8Array, from: number, to: number): Uint8Array => content.slice().fill(0, from, to)

kvmTest('a guest reads its disk to the last byte, by a path relative to where the command was given', async (t) => {
  const { busybox } = setUp(t)
  const { stdout, status } = await busybox(['disk.img'], 'md5sum', '/dev/vda')
  t.is(status, 0)
  const { createHash } = await import('node:crypto')
  t.is(stdout.split(' ')[0], createHash('md5').update(pattern(SIZE)).digest('hex'))
})

kvmTest('what a guest writes is in the image when it has ended, and nothing else changed', async (t) => {
  const { busybox, path } = setUp(t)
  const write = ['dd', 'if=/dev/zero', 'of=/dev/vda', `bs=${BLOCK}`, 'seek=3', 'count=2', 'conv=fsync'] as const
  const { status, stderr } = await busybox([path], ...write)
  t.is(status, 0, stderr)
  t.deepEqual(image(path), zeroed(pattern(SIZE), 3 * BLOCK, 5 * BLOCK))
})

kvmTest(
  'a guest writes a disk in pieces of any size, and all of them are in the image when it has ended',
  async (t) => {
    const { busybox, path } = setUp(t)
    const { status, stderr } = await busybox(
      [path],
      'dd',
      'if=/dev/zero',
      'of=/dev/vda',
      'bs=100',
      'seek=3',
      'count=77',
    )
    t.is(status, 0, stderr)
    t.deepEqual(image(path), zeroed(pattern(SIZE), 300, 8000))
  },
)

kvmTest('a disk ends where its image does: a write past it fails, and the image does not grow', async (t) => {
  const { busybox, path } = setUp(t)
  const { status } = await busybox(
    [path],
    'dd',
    'if=/dev/zero',
    'of=/dev/vda',
    `bs=${BLOCK}`,
    `seek=${SIZE / BLOCK}`,
    'count=1',
  )
  t.not(status, 0)
  t.deepEqual(image(path), pattern(SIZE))
})

kvmTest('disks come up as /dev/vda, /dev/vdb: one is copied to the other', async (t) => {
  const { busybox, path, directory } = setUp(t)
  const other = join(directory, 'other.img')
  writeFileSync(other, new Uint8Array(SIZE))
  const { status } = await busybox([`${path}:ro`, other], 'dd', 'if=/dev/vda', 'of=/dev/vdb', 'bs=64k', 'conv=fsync')
  t.is(status, 0)
  t.deepEqual(image(other), pattern(SIZE))
})

kvmTest('a guest cannot write a disk that is attached read-only', async (t) => {
  const { busybox, path } = setUp(t)
  const { status } = await busybox([`${path}:ro`], 'dd', 'if=/dev/zero', 'of=/dev/vda', 'bs=512', 'count=1')
  t.not(status, 0)
  t.deepEqual(image(path), pattern(SIZE))
})

kvmTest('with :cow a guest writes as it likes, and the image stays as it is', async (t) => {
  const { busybox, path } = setUp(t)
  const { status, stderr } = await busybox(
    [`${path}:cow`],
    'dd',
    'if=/dev/zero',
    'of=/dev/vda',
    'bs=4k',
    'count=4',
    'conv=fsync',
  )
  t.is(status, 0, stderr)
  t.deepEqual(image(path), pattern(SIZE))
})

kvmTest('an overlay keeps what a guest wrote for the next one, and its base stays as it is', async (t) => {
  const { busybox, path } = setUp(t)
  const disk = `overlay.img:base=${path}`
  t.is((await busybox([disk], 'dd', 'if=/dev/zero', 'of=/dev/vda', 'bs=512', 'seek=1', 'count=1')).status, 0)
  const { stdout } = await busybox([disk], 'md5sum', '/dev/vda')
  const { createHash } = await import('node:crypto')
  t.is(
    stdout.split(' ')[0],
    createHash('md5')
      .update(zeroed(pattern(SIZE), 512, 1024))
      .digest('hex'),
  )
  t.deepEqual(image(path), pattern(SIZE))
})

kvmTest(
  'a disk that a running VM writes is refused to another, by name, and is free when that one has ended',
  async (t) => {
    const { busybox, cloister, path } = setUp(t)
    const sleeper = ['run', '-d', '--name', 'holder', '--isolation', 'unikernel', '--disk', path]
    t.is((await cloister([...sleeper, '/bin/busybox', 'sleep', '60'])).status, 0)
    const second = await busybox([path], 'true')
    t.is(second.status, 125)
    t.true(second.stderr.includes(`Cannot attach ${path} as a disk: another VM has it attached.`), second.stderr)
    t.is((await cloister(['kill', 'holder'])).status, 0)
    await cloister(['wait', 'holder'])
    t.is((await busybox([path], 'true')).status, 0)
  },
)

kvmTest('a disk that cannot be attached is said before anything runs, detached or not', async (t) => {
  const { cloister, directory } = setUp(t)
  for (const detached of [[], ['-d']]) {
    const missing = join(directory, 'missing')
    const { status, stderr } = await cloister(['run', ...detached, '--disk', missing, '/bin/busybox', 'true'])
    t.is(status, 125)
    t.true(stderr.includes(`Cannot attach ${missing} as a disk: there is no such file`), stderr)
    t.regex(stderr, /truncate -s 1G/)
  }
})
