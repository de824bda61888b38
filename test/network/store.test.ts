import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { UsageError } from '../../src/errors.ts'
import { bootId } from '../../src/host/boot-id.ts'
import { ownIdentity } from '../../src/instance/process-identity.ts'
import { deadLeases } from '../../src/network/dead.ts'
import { interfaceName, type Lease } from '../../src/network/leases.ts'
import { checkNetworkName } from '../../src/network/name.ts'
import { type NetworkRecord, NetworkStore } from '../../src/network/store.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const RECORD: NetworkRecord = {
  ...{ name: 'n1', subnet: '10.77.0.0/24', gateway: '10.77.0.1', mtu: 1500, nat: false, isolated: false },
  ...{ bridge: 'cl-n1', forwarded: [], createdAt: '2026-01-01T00:00:00.000Z' },
}
const LEASE: Lease = {
  ...{ instance: 'web', address: '10.77.0.2', interface: interfaceName('0123456789ab'), kind: 'tap' },
  ...{ owner: ownIdentity(), bootId: bootId() },
}

function storeWith(t: ExecutionContext, ...records: NetworkRecord[]) {
  const root = temporaryDirectory(t)
  const store = new NetworkStore(root)
  store.locked(() => {
    for (const record of records) store.write(record)
  })
  return { root, store }
}

test('what was written is read, and forgotten without a trace', (t) => {
  const { root, store } = storeWith(t, RECORD)
  t.deepEqual(store.list(), [RECORD])
  t.deepEqual(store.leases('n1'), [])
  store.locked(() => store.writeLeases('n1', [LEASE]))
  t.deepEqual(new NetworkStore(root).leases('n1'), [LEASE])
  store.locked(() => store.forget('n1'))
  t.deepEqual(store.list(), [])
  t.deepEqual(readdirSync(join(root, 'networks')), ['.lock'])
})

test('a store that is only looked at makes nothing', (t) => {
  const root = temporaryDirectory(t)
  const store = new NetworkStore(join(root, 'data'))
  t.deepEqual(store.list(), [])
  t.is(store.read('n1'), undefined)
  t.deepEqual(readdirSync(root), [])
})

test('a network that there is not is named, with those that there are', (t) => {
  const { store } = storeWith(t, RECORD, { ...RECORD, name: 'n2' })
  const error = t.throws(() => store.named('web', 'remove'), { instanceOf: UsageError })
  t.is(error?.message, 'Cannot remove network "web": there is none of that name.')
  t.is((error as UsageError).hint, 'There are: n1, n2.')
  t.regex((t.throws(() => storeWith(t).store.named('web', 'remove')) as UsageError).hint ?? '', /network create web/)
})

test('a damaged record is none, and keeps nobody from the others', (t) => {
  const { root, store } = storeWith(t, RECORD)
  for (const [at, text] of [
    '',
    'null',
    '[]',
    '{"name":"bad0"}',
    '{"name":"bad4","subnet":"10.0.0.0/24","gateway":"1.1.1.1"}',
  ].entries()) {
    const directory = join(root, 'networks', `bad${at}`)
    mkdirSync(directory)
    writeFileSync(join(directory, 'network.json'), text)
    writeFileSync(join(directory, 'leases.json'), text)
  }
  // What is removed by its name must be one of our names.
  store.locked(() => store.write({ ...RECORD, name: 'bad9', bridge: 'eth0' }))
  t.deepEqual(store.list(), [RECORD])
  t.is(store.names().length, 7)
  for (const name of store.names()) t.deepEqual(store.leases(name), [])
})

test('names are words that neither a path nor a shell misreads, and none that --net has a meaning for', (t) => {
  for (const name of ['n1', 'web.back-end_2', 'N']) t.is(checkNetworkName(name), name)
  for (const name of [
    '',
    '.',
    '..',
    '.lock',
    'a/b',
    '-n',
    'a b',
    'none',
    'host',
    'bridge',
    'x'.repeat(64),
    'tap:x',
    'ü',
  ]) {
    t.throws(() => checkNetworkName(name), { instanceOf: UsageError }, name)
  }
})

test('a lease is dead when its process is, also when another has the pid, and when the host has booted since', async (t) => {
  const { store } = storeWith(t, RECORD)
  const child = spawn('true')
  await once(child, 'exit')
  const leases: Lease[] = [
    LEASE,
    { ...LEASE, instance: 'gone', address: '10.77.0.3', owner: { pid: child.pid!, startTime: '1' } },
    { ...LEASE, instance: 'reused', address: '10.77.0.4', owner: { ...ownIdentity(), startTime: '1' } },
    { ...LEASE, instance: 'booted', address: '10.77.0.5', bootId: 'another' },
  ]
  store.locked(() => store.writeLeases('n1', leases))
  t.deepEqual(
    deadLeases(store).map(({ instance, network }) => [instance, network]),
    [
      ['gone', 'n1'],
      ['reused', 'n1'],
      ['booted', 'n1'],
    ],
  )
})

test('of many processes that change networks one does at a time', async (t) => {
  const { root, store } = storeWith(t, RECORD)
  const module = new URL('../../src/network/store.js', import.meta.url).href
  // Reads, waits, and writes what it read and one more: without the lock some would be lost.
  const script = `
    import { NetworkStore } from ${JSON.stringify(module)}
    const store = new NetworkStore(${JSON.stringify(root)})
    for (let at = 0; at < 5; at++) store.locked(() => {
      const record = store.read('n1')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      store.write({ ...record, mtu: record.mtu + 1 })
    })`
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }),
  )
  const statuses = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]))
  t.deepEqual(statuses, [0, 0, 0])
  t.is(store.read('n1')?.mtu, RECORD.mtu + 15)
})
