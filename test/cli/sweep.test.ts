import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { tryLock } from '../../kvm-bindings/ffi.ts'
import { sweepOrphans } from '../../src/cli/sweep.ts'
import { InstanceStore } from '../../src/instance/store.ts'
import { createLog } from '../../src/log.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const log = createLog({ level: 'silent' })
const STORE = new URL('../../src/instance/store.js', import.meta.url).href

/** A store with an instance whose process is gone. */
async function withOrphan(t: ExecutionContext) {
  const root = join(temporaryDirectory(t), 'run')
  const script = `
    import { InstanceStore } from ${JSON.stringify(STORE)}
    const spec = (name) => ({ name, argv: ['true'], env: [], isolation: 'unikernel', memoryBytes: 2 ** 24 })
    new InstanceStore(${JSON.stringify(root)}).claim({ name: 'web', removeOnExit: false, spec })
    process.kill(process.pid, 'SIGKILL')`
  const store = new InstanceStore(root)
  await once(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }), 'exit')
  const [marker = ''] = readdirSync(join(root, 'live'))
  return { store, marker: join(root, 'live', marker) }
}

const crashes = (store: InstanceStore): number => store.events.read().filter(({ type }) => type === 'crash').length

test('of several that sweep at once one settles the orphan, and all come back when it is settled', async (t) => {
  const { store } = await withOrphan(t)
  const swept = await Promise.all([1, 2, 3].map(() => sweepOrphans(store, log, { quick: false })))
  t.is(swept.flat().length, 1)
  t.is(store.read('web')?.state.status, 'crashed')
  t.is(crashes(store), 1)
})

test('one whom another is just sweeping is waited for, but not by a command in a hurry', async (t) => {
  const { store, marker } = await withOrphan(t)
  const fd = openSync(marker, 'r')
  t.true(tryLock(fd))
  t.deepEqual(await sweepOrphans(store, log, { quick: true }), [])
  let done = false
  const waiting = sweepOrphans(store, log, { quick: false }).finally(() => {
    done = true
  })
  await sleep(50)
  t.false(done)
  t.is(store.read('web')?.state.status, 'running')
  // The other one dies in the middle: its lock goes with it.
  closeSync(fd)
  t.is((await waiting).length, 1)
  t.is(store.read('web')?.state.status, 'crashed')
})

test('what another settled, and a new one that has its name since, are left alone', async (t) => {
  const { store, marker } = await withOrphan(t)
  const fd = openSync(marker, 'r')
  t.true(tryLock(fd))
  const waiting = sweepOrphans(store, log, { quick: false })
  await sleep(20)
  for (const orphan of store.orphans()) store.settle(orphan)
  store.remove('web')
  const claimed = store.claim({ name: 'web', removeOnExit: false, spec: (name) => busyboxSpec(['true'], { name }) })
  closeSync(fd)
  t.deepEqual(await waiting, [])
  t.is(store.read('web')?.state.status, 'running')
  t.is(crashes(store), 1)
  claimed.abandon()
})
