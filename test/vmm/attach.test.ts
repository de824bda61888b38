import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Reactor } from '../../src/backends/reactor.ts'
import { allocateRam } from '../../src/memory/ram.ts'
import { attachDevices } from '../../src/vmm/attach.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

/** None of these watches a descriptor. */
const reactor = undefined as unknown as Reactor
const log = () => {}

test('a guest of ours gets neither sockets nor a balloon: it has no driver for them', async (t) => {
  const directory = temporaryDirectory(t)
  const attached = await attachDevices(busyboxSpec(['true']), { reactor, directory, log })
  t.deepEqual(attached.devices, [])
  t.is(attached.balloon, undefined)
  t.deepEqual(readdirSync(directory), [])
})

test('a kernel of the user’s own gets both, and the socket is gone when they are closed', async (t) => {
  const directory = temporaryDirectory(t)
  const spec = busyboxSpec(['true'], { kernel: '/boot/vmlinuz' })
  const attached = await attachDevices(spec, { reactor, directory, log })
  t.deepEqual(
    attached.devices.map(({ name }) => name),
    ['vsock', 'balloon'],
  )
  const path = join(directory, 'vsock.sock')
  t.like(attached.describe(), { vsock: { path, guestCid: 3 } })
  t.true(existsSync(path))
  attached.close()
  attached.close()
  t.false(existsSync(path))
})

test('without a directory of its own a VM has no socket', async (t) => {
  const attached = await attachDevices(busyboxSpec(['true'], { kernel: '/boot/vmlinuz' }), { reactor, log })
  t.deepEqual(
    attached.devices.map(({ name }) => name),
    ['balloon'],
  )
  const ram = allocateRam(2 ** 20)
  t.notThrows(() => attached.onRam?.(ram))
  ram.close()
  attached.close()
})
