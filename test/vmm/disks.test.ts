import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Reactor } from '../../src/backends/reactor.ts'
import { VIRTIO_ID } from '../../src/virtio/device.ts'
import { attachDisks } from '../../src/vmm/disks.ts'

const setUp = (t: ExecutionContext) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-attach-'))
  const before = process.env.CLOISTER_ROOT
  process.env.CLOISTER_ROOT = join(directory, 'root')
  const reactor = new Reactor((error) => t.fail(error.message))
  const log: string[] = []
  t.teardown(async () => {
    if (before === undefined) delete process.env.CLOISTER_ROOT
    else process.env.CLOISTER_ROOT = before
    await reactor.close()
    rmSync(directory, { recursive: true })
  })
  const image = (name: string) => {
    writeFileSync(join(directory, name), new Uint8Array(4096))
    return join(directory, name)
  }
  return { directory, image, context: { reactor, log: (line: string) => void log.push(line) }, log }
}

const openDescriptors = () => readdirSync('/proc/self/fd').length

test.serial('disks come up in the order they were asked for, and say what they are', (t) => {
  const { image, context } = setUp(t)
  const [first, second] = [image('first'), image('second')]
  const attached = attachDisks(
    [
      { path: first, readOnly: false },
      { path: second, readOnly: true },
      { path: second, readOnly: false, copyOnWrite: true },
    ],
    context,
  )
  t.deepEqual(
    attached.devices.map(({ id }) => id),
    [VIRTIO_ID.block, VIRTIO_ID.block, VIRTIO_ID.block],
  )
  const { disks } = attached.describe() as { disks: { device: string; path: string; bytes: number }[] }
  t.deepEqual(
    disks.map(({ device, path, bytes }) => [device, path, bytes]),
    [
      ['/dev/vda', first, 4096],
      ['/dev/vdb', second, 4096],
      ['/dev/vdc', second, 4096],
    ],
  )
  attached.close()
  attached.close()
})

test.serial('a disk that cannot be opened leaves none of the others open or locked', (t) => {
  const { image, context, directory } = setUp(t)
  const good = { path: image('good'), readOnly: false }
  attachDisks([good], context).close()
  const before = openDescriptors()
  t.throws(() => attachDisks([good, { path: join(directory, 'missing'), readOnly: false }], context), {
    name: 'UsageError',
    message: /missing/,
  })
  t.is(openDescriptors(), before)
  attachDisks([good], context).close()
  t.is(openDescriptors(), before)
})

test.serial('an image in a format of its own is attached byte for byte, with a note of what that means', (t) => {
  const { directory, image, context, log } = setUp(t)
  const path = join(directory, 'qcow2')
  writeFileSync(path, Buffer.from('QFI\xfb'.padEnd(512, '\0'), 'latin1'))
  attachDisks(
    [
      { path: image('raw'), readOnly: true },
      { path, readOnly: true },
    ],
    context,
  ).close()
  t.is(log.length, 1)
  t.true(log[0]?.startsWith(`disk ${path}: this looks like qcow2`), log[0])
})

test.serial('a file among our own state is no disk, by any path', (t) => {
  const { context, directory } = setUp(t)
  const root = join(directory, 'root')
  for (const path of [join(root, 'run'), join(root, 'data', 'x'), `${root}/../root/run/instances/y/config.json`])
    t.throws(() => attachDisks([{ path, readOnly: true }], context), { name: 'UsageError', message: /own state/ })
})
