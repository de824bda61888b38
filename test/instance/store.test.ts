import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { UsageError } from '../../src/errors.ts'
import { isAlive } from '../../src/instance/process-identity.ts'
import { writeState } from '../../src/instance/record.ts'
import { InstanceStore } from '../../src/instance/store.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

function emptyStore(t: ExecutionContext): { store: InstanceStore; root: string } {
  const root = join(temporaryDirectory(t), 'run')
  return { store: new InstanceStore(root), root }
}

const request = (name?: string, removeOnExit = false) => ({
  ...(name === undefined ? {} : { name }),
  removeOnExit,
  spec: (given: string) => busyboxSpec(['true'], { name: given }),
})

const liveMarkers = (root: string): string[] => readdirSync(join(root, 'live'))

test('a claimed instance is on record as running, with what was asked, for its owner alone', (t) => {
  const { store, root } = emptyStore(t)
  const { directory, name } = store.claim(request('web'))
  t.is(directory, join(root, 'instances/web'))
  t.is(statSync(directory).mode & 0o777, 0o700)
  t.is(statSync(join(directory, 'config.json')).mode & 0o777, 0o600)
  const record = store.read(name)!
  t.is(record.state.status, 'running')
  t.true(isAlive(record.state.owner))
  t.is(record.config.spec.name, 'web')
  t.is(liveMarkers(root).length, 1)
})

test('an instance that has finished leaves its status on record and no marker', (t) => {
  const { store, root } = emptyStore(t)
  store.claim(request('web')).finish({ exitCode: 7, report: 'why' })
  t.like(store.read('web')?.state, { status: 'exited', exitCode: 7, report: 'why' })
  t.deepEqual(liveMarkers(root), [])
})

test('with --rm nothing is left, whatever the level kept in the directory', (t) => {
  const { store, root } = emptyStore(t)
  const claimed = store.claim(request('web', true))
  mkdirSync(join(claimed.directory, 'bundle/rootfs'), { recursive: true })
  writeFileSync(join(claimed.directory, 'bundle/config.json'), '{}')
  claimed.finish({ exitCode: 0 })
  t.deepEqual(readdirSync(join(root, 'instances')), [])
  t.deepEqual(liveMarkers(root), [])
})

test('a name that is taken is refused, and the one who has it loses nothing', (t) => {
  const { store, root } = emptyStore(t)
  store.claim(request('web'))
  t.throws(() => store.claim(request('web')), { instanceOf: UsageError, message: /the name is taken/ })
  t.is(store.read('web')?.state.status, 'running')
  t.is(liveMarkers(root).length, 1)
  store.claim(request('db')).finish({ exitCode: 0 })
  t.throws(() => store.claim(request('db')), { instanceOf: UsageError })
})

test('of many processes that claim one name at once, one gets it', async (t) => {
  const { root } = emptyStore(t)
  const script = `
    import { InstanceStore } from ${JSON.stringify(new URL('../../src/instance/store.js', import.meta.url).href)}
    const spec = (name) => ({ name, argv: ['true'], env: [], isolation: 'container' })
    try { new InstanceStore(${JSON.stringify(root)}).claim({ name: 'web', removeOnExit: false, spec }); console.log('got it') }
    catch (error) { console.log(error.message) }`
  const children = Array.from({ length: 6 }, () => spawn(process.execPath, ['--input-type=module', '-e', script]))
  const answers = await Promise.all(
    children.map(async (child) => {
      let text = ''
      child.stdout.on('data', (bytes: Buffer) => {
        text += bytes.toString()
      })
      await once(child, 'close')
      return text.trim()
    }),
  )
  t.is(answers.filter((answer) => answer === 'got it').length, 1, answers.join('\n'))
  t.is(answers.filter((answer) => answer.includes('the name is taken')).length, 5)
})

test('made-up names do not clash', (t) => {
  const { store } = emptyStore(t)
  const names = Array.from({ length: 200 }, () => store.claim(request()).name)
  t.is(new Set(names).size, 200)
  t.is(store.list().length, 200)
})

/** Makes the record look as if a process that is gone had written it. */
function loseOwner(store: InstanceStore, root: string, name: string): void {
  const { directory, state } = store.read(name)!
  const dead = { pid: 4_194_303, startTime: '123' }
  writeState(directory, { ...state, owner: dead })
  const own = liveMarkers(root).find((marker) => marker.endsWith(`-${name}`))!
  rmSync(join(root, 'live', own))
  writeFileSync(join(root, 'live', `${dead.pid}-${dead.startTime}-${name}`), '')
}

test('an instance whose process died is found, and settled as crashed', (t) => {
  const { store, root } = emptyStore(t)
  store.claim(request('alive'))
  const { directory } = store.claim(request('web'))
  const sockets = ['control.sock', 'vsock.sock'].map((socket) => join(directory, socket))
  for (const socket of sockets) writeFileSync(socket, '')
  loseOwner(store, root, 'web')
  for (const quick of [true, false])
    t.deepEqual(
      store.orphans({ quick }).map(({ name }) => name),
      ['web'],
    )
  for (const orphan of store.orphans()) store.settle(orphan)
  t.is(store.read('web')?.state.status, 'crashed')
  for (const socket of sockets) t.false(existsSync(socket))
  t.deepEqual(store.orphans(), [])
  t.is(store.read('alive')?.state.status, 'running')
})

test('one that was to leave no record leaves none when it crashed either', (t) => {
  const { store, root } = emptyStore(t)
  store.claim(request('web', true))
  loseOwner(store, root, 'web')
  for (const orphan of store.orphans()) store.settle(orphan)
  t.false(store.has('web'))
  t.deepEqual(liveMarkers(root), [])
})

test('a process that got the pid of a dead one is not taken for it', (t) => {
  const { store, root } = emptyStore(t)
  const { directory } = store.claim(request('web'))
  const { state } = store.read('web')!
  const reused = { pid: process.pid, startTime: '1' }
  writeState(directory, { ...state, owner: reused })
  rmSync(join(root, 'live', liveMarkers(root)[0]!))
  writeFileSync(join(root, 'live', `${reused.pid}-${reused.startTime}-web`), '')
  t.deepEqual(
    store.orphans({ quick: false }).map(({ name }) => name),
    ['web'],
  )
})

test('a crash between marker and directory, or in the middle of making the directory, leaves nothing behind', (t) => {
  const { store, root } = emptyStore(t)
  writeFileSync(join(root, 'live/4194303-123-web'), '')
  mkdirSync(join(root, 'instances/.new-4194303-web'))
  writeFileSync(join(root, 'instances/.new-4194303-web/config.json'), '{')
  for (const orphan of store.orphans()) store.settle(orphan)
  t.deepEqual(readdirSync(join(root, 'instances')), [])
  t.deepEqual(liveMarkers(root), [])
})

test('an old marker does not touch the later instance that has its name', (t) => {
  const { store, root } = emptyStore(t)
  store.claim(request('web'))
  writeFileSync(join(root, 'live/4194303-123-web'), '')
  for (const orphan of store.orphans()) store.settle(orphan)
  t.is(store.read('web')?.state.status, 'running')
  t.is(liveMarkers(root).length, 1)
})

test('a removal that a crash interrupted is finished', (t) => {
  const { store, root } = emptyStore(t)
  mkdirSync(join(root, 'instances/.removed-4194303-web/bundle'), { recursive: true })
  store.tidy()
  t.deepEqual(readdirSync(join(root, 'instances')), [])
})

test('damaged records are not listed, keep their names, and can be removed', (t) => {
  const { store, root } = emptyStore(t)
  for (const [name, content] of Object.entries({ empty: '', torn: '{"spec', other: '[]', nothing: 'null' })) {
    mkdirSync(join(root, 'instances', name))
    writeFileSync(join(root, 'instances', name, 'config.json'), content)
    writeFileSync(join(root, 'instances', name, 'state.json'), content)
    t.is(store.read(name), undefined)
    t.throws(() => store.claim(request(name)), { instanceOf: UsageError })
    store.remove(name)
    t.false(store.has(name))
  }
  t.deepEqual(store.list(), [])
})

test('a record with a part missing or of another kind is damaged: nobody who lists instances trips over it', (t) => {
  const { store } = emptyStore(t)
  const { directory } = store.claim(request('web'))
  const [config, state] = ['config.json', 'state.json'].map((file) =>
    JSON.parse(readFileSync(join(directory, file), 'utf8')),
  )
  const { spec } = config
  for (const damaged of [
    { config: { ...config, createdAt: 7 } },
    { config: { ...config, spec: { ...spec, isolation: '__proto__' } } },
    { config: { ...config, spec: { ...spec, argv: 'true' } } },
    { config: { ...config, spec: { ...spec, argv: [7] } } },
    { state: { ...state, status: 'elsewhere' } },
    { state: { ...state, owner: { pid: 1 } } },
    { state: { ...state, exitCode: '0' } },
    { state: { ...state, report: {} } },
  ]) {
    writeFileSync(join(directory, 'config.json'), JSON.stringify(damaged.config ?? config))
    writeFileSync(join(directory, 'state.json'), JSON.stringify(damaged.state ?? state))
    t.is(store.read('web'), undefined, JSON.stringify(damaged))
    t.deepEqual(store.list(), [])
  }
})

test('removing follows no symbolic link out of the directory', (t) => {
  const { store } = emptyStore(t)
  const outside = temporaryDirectory(t)
  writeFileSync(join(outside, 'precious'), 'x')
  const { directory } = store.claim(request('web'))
  symlinkSync(outside, join(directory, 'link'))
  store.remove('web')
  t.is(readFileSync(join(outside, 'precious'), 'utf8'), 'x')
  t.false(existsSync(directory))
})

test('no name reaches a directory outside', (t) => {
  const { store } = emptyStore(t)
  for (const name of ['../live', '..', '.', '/etc', 'a/../../x']) {
    for (const call of [
      () => store.directory(name),
      () => store.read(name),
      () => store.remove(name),
      () => store.has(name),
    ]) {
      t.throws(call, { instanceOf: UsageError }, name)
    }
  }
})

test('a removal that an earlier process of our pid did not finish is no obstacle', (t) => {
  const { store, root } = emptyStore(t)
  store.claim(request('web')).finish({ exitCode: 0 })
  const left = join(root, 'instances', `.removed-${process.pid}-web`)
  mkdirSync(left)
  writeFileSync(join(left, 'output.jsonl'), '')
  t.notThrows(() => store.remove('web'))
  t.deepEqual(readdirSync(join(root, 'instances')), [])
})

test('one whose end is on record can be given up without harm, also to one that has its name by then', (t) => {
  const { store } = emptyStore(t)
  const claimed = store.claim(request('web', true))
  claimed.finish({ exitCode: 0 })
  store.claim(request('web'))
  t.notThrows(() => claimed.abandon())
  t.true(store.has('web'))
})
