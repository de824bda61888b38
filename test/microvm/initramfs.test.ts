import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { BootModuleSource } from '../../src/machine/boot-modules.ts'
import { initramfs } from '../../src/microvm/initramfs.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { readCpio } from '../helpers/cpio.ts'

function file(t: ExecutionContext, content: string): string {
  const path = join(temporaryDirectory(t), 'file')
  writeFileSync(path, content)
  return path
}

function written(source: BootModuleSource): Buffer {
  const bytes = Buffer.alloc(source.size)
  source.write(bytes)
  return bytes
}

test('a guest begins with the agent as its init, and nothing else', (t) => {
  const records = readCpio(written(initramfs({ agent: file(t, 'agent') })))
  t.deepEqual(
    records.map(({ path, mode, content }) => [path, mode.toString(8), content.toString()]),
    [['init', '100755', 'agent']],
  )
})

test('modules lie beside it, with the order in which they are to be loaded', (t) => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const modules = [
    { name: 'virtio.ko', bytes: bytes('one') },
    { name: 'virtio_blk.ko', bytes: bytes('two') },
  ]
  const records = readCpio(written(initramfs({ agent: file(t, 'agent'), modules })))
  const content = (path: string) => records.find((record) => record.path === path)?.content.toString()
  t.is(content('modules/order'), 'virtio.ko\nvirtio_blk.ko\n')
  t.is(content('modules/virtio.ko'), 'one')
  t.is(content('modules/virtio_blk.ko'), 'two')
})

test('an initial RAM disk of the user’s comes first, so that its /init does not win over ours', (t) => {
  const initrd = file(t, 'packed')
  const bytes = written(initramfs({ agent: file(t, 'agent'), initrd }))
  t.is(bytes.toString('latin1', 0, 6), 'packed')
  // Linux goes on at a multiple of four.
  t.deepEqual([...bytes.subarray(6, 8)], [0, 0])
  t.is(readCpio(bytes.subarray(8))[0]?.path, 'init')
})

test('an agent that is not built is the next step to take', (t) => {
  const error = t.throws(() => initramfs({ agent: '/nowhere/agent' }), { name: 'HostError' })
  t.regex((error as { hint?: string }).hint ?? '', /make build/)
})
