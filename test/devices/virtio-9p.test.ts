/** The 9P transport: what goes on under a driver that leaves, and what of a session outlives its VMM. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { AsyncFiles } from '../../src/backends/disk/async-files.ts'
import { virtio9p } from '../../src/devices/virtio-9p.ts'
import { changed } from '../helpers/disk-files.ts'
import { Client, openServer, shareFixture, successor } from '../helpers/p9-client.ts'
import { message } from '../helpers/p9-message.ts'

const ESTALE = 116

test('its configuration space holds the tag, with its length in front', (t) => {
  const device = virtio9p({ tag: 'cloister0', server: undefined as never })
  t.is(device.id, 9)
  t.is(device.features, 1n)
  t.is(Buffer.from(device.config).toString('latin1'), '\x09\0cloister0')
  t.throws(() => virtio9p({ tag: '', server: undefined as never }), { name: 'BugError' })
})

for (const engine of ['best', 'pool'] as const) {
  test(`a driver that resets the device has its buffers back: a read under way no longer writes there (§2.4.1, ${engine})`, async (t) => {
    let begun = 0
    const { client, driver, device } = await shareFixture(t, {
      engine,
      change: (files) =>
        changed(files, {
          preadv: (fd, vector, offset, done) => {
            begun++
            files.preadv(fd, vector, offset, done)
          },
          close: () => files.close(),
        }),
      fill: (path) => writeCold(join(path, 'cold')),
    })
    await client.walk(0, 1, 'cold')
    await client.open(1, 0)
    const buffer = driver.memory.bytes(0x12000, 100_011)
    const request = message().u32(1).u64(0).u32(100_000).frame(116, 5)
    driver.memory.bytes(0x10000, request.length).set(request)
    driver.queue(0).post({ gpa: 0x10000, length: request.length }, { gpa: 0x12000, length: buffer.length, write: true })
    driver.kick(0)
    if (begun === 0) t.log('this file system keeps its files in memory: nothing takes long')
    driver.write('Status', 0)
    buffer.fill(0x5c)
    await device.idle()
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.true(buffer.every((byte) => byte === 0x5c))
    driver.start({ features: device.features | (1n << 32n), size: 16 })
    await client.start()
    t.is((await client.walk(0, 1, 'cold')).length, 1)
  })
}

/** On disk and nowhere else: reading it takes the host time. */
function writeCold(path: string): void {
  // What is not on disk yet is not let go of.
  writeFileSync(path, Buffer.alloc(100_000, 'x'), { flush: true })
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc', 'count=0', 'status=none'])
}

const filled = (path: string) => {
  mkdirSync(join(path, 'dir/deep'), { recursive: true })
  for (const name of ['kept', 'gone', 'swapped', 'dir/deep/log']) writeFileSync(join(path, name), name)
}

test('a session goes on in another VMM: files by their paths, open ones open, and stale what is another file now', async (t) => {
  const { client, driver, directory, files } = await shareFixture(t, { fill: filled })
  await client.walk(0, 1, 'kept')
  await client.open(1, 2)
  await client.walk(0, 2, 'gone')
  await client.walk(0, 3, 'swapped')
  await client.open(3, 0)
  await client.walk(0, 4, 'dir', 'deep')
  await client.walk(4, 5, 'log')
  await client.open(5, 0o2001)
  await client.walk(0, 6)
  await client.open(6, 0o200000)
  await client.walk(0, 7, 'dir')
  const state = driver.transport.save()

  rmSync(join(directory, 'gone'))
  writeFileSync(join(directory, 'other'), 'not yours')
  renameSync(join(directory, 'other'), join(directory, 'swapped'))
  const server = openServer(directory, changed(files, { close: () => {} }))
  t.teardown(() => server.close())
  const heir = successor(server, driver.guarded, state)
  heir.queues = driver.queues
  const after = new Client(heir)

  t.is(await after.write(1, 0, 'KEPT'), 4)
  t.is(readFileSync(join(directory, 'kept'), 'utf8'), 'KEPT')
  for (const fid of [2, 3]) t.is(await after.errno(24, message().u32(fid).u64(0)), ESTALE)
  t.is(await after.errno(116, message().u32(3).u64(0).u32(1)), ESTALE)
  t.is(await after.write(5, 0, ' goes on'), 8)
  t.is(readFileSync(join(directory, 'dir/deep/log'), 'utf8'), 'dir/deep/log goes on')
  t.true((await after.list(6)).some(({ name }) => name === 'swapped'))
  t.is((await after.walk(7, 20, 'deep', 'log')).length, 2)
  await after.clunk(3)
  await after.walk(0, 3, 'swapped')
  // What was stale or had no name is saved once more as it is.
  const again = successor(openServerOf(t, directory, files), driver.guarded, heir.transport.save())
  again.queues = heir.queues
  t.is(await new Client(again).errno(24, message().u32(2).u64(0)), ESTALE)
})

const openServerOf = (t: { teardown(close: () => void): void }, directory: string, files: AsyncFiles) => {
  const server = openServer(directory, changed(files, { close: () => {} }))
  t.teardown(() => server.close())
  return server
}

test('an open file that has been removed is stale after a restore, also when its name is taken again', async (t) => {
  const { client, driver, directory, files } = await shareFixture(t, { fill: filled })
  await client.walk(0, 1, 'kept')
  await client.open(1, 2)
  rmSync(join(directory, 'kept'))
  writeFileSync(join(directory, 'kept (deleted)'), 'a trap')
  const heir = successor(openServerOf(t, directory, files), driver.guarded, driver.transport.save())
  heir.queues = driver.queues
  t.is(await new Client(heir).errno(24, message().u32(1).u64(0)), ESTALE)
})

test('a saved session with paths that lead out, or of another shape, opens nothing outside (class 32)', async (t) => {
  const { client, driver, directory, outside, files } = await shareFixture(t, { fill: filled })
  writeFileSync(join(outside, 'secret'), 'secret')
  await client.walk(0, 1, 'kept')
  const state = JSON.parse(JSON.stringify(driver.transport.save()))
  const [root, kept] = state.deviceState.fids
  const withFid = (changes: object) => ({
    ...state,
    deviceState: { ...state.deviceState, fids: [root, { ...kept, ...changes }] },
  })
  // Also when it says that this is the very file.
  const { ino } = statSync(join(outside, 'secret'))
  symlinkSync(outside, join(directory, 'up'))
  for (const path of ['../outside/secret', 'up/secret', 'dir/../../outside/secret', join(outside, 'secret')]) {
    const heir = successor(openServerOf(t, directory, files), driver.guarded, withFid({ path, inode: String(ino) }))
    heir.queues = driver.queues
    t.is(await new Client(heir).errno(24, message().u32(1).u64(0)), ESTALE, path.slice(0, 40))
  }
  for (const path of ['../outside/secret', '/etc/passwd', 'dir/../../outside/secret', '..', 'a\0b', 'x'.repeat(5000)]) {
    const heir = successor(openServerOf(t, directory, files), driver.guarded, withFid({ path }))
    heir.queues = driver.queues
    t.is(await new Client(heir).errno(24, message().u32(1).u64(0)), ESTALE, path.slice(0, 40))
  }
  for (const changes of [
    { fid: -1 },
    { fid: 0 },
    { uid: 'root' },
    { path: 5 },
    { inode: 7 },
    { type: 1e9 },
    { flags: 'w' },
  ])
    t.throws(
      () => successor(openServerOf(t, directory, files), driver.guarded, withFid(changes)),
      { name: 'HostError' },
      JSON.stringify(changes),
    )
  for (const key of ['msize', 'fids'])
    t.throws(
      () =>
        successor(openServerOf(t, directory, files), driver.guarded, {
          ...state,
          deviceState: { ...state.deviceState, [key]: undefined },
        }),
      { name: 'HostError' },
    )
})
