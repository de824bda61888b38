import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { HostError } from '../../src/errors.ts'
import { claimDirectory, claimRunRoot, stateRoots } from '../../src/instance/state-root.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const modeOf = (path: string): number => statSync(path).mode & 0o7777

test('state lies in the system directories for root, in those of the login for others, and where CLOISTER_ROOT says', (t) => {
  t.deepEqual(stateRoots({}, 0), { run: '/run/cloister', data: '/var/lib/cloister' })
  t.deepEqual(stateRoots({ HOME: '/home/x', XDG_RUNTIME_DIR: '/run/user/7' }, 7), {
    run: '/run/user/7/cloister',
    data: '/home/x/.local/share/cloister',
  })
  t.deepEqual(stateRoots({ HOME: '/home/x', XDG_DATA_HOME: '/data' }, 7), {
    run: '/data/cloister/run',
    data: '/data/cloister',
  })
  t.deepEqual(stateRoots({ CLOISTER_ROOT: '/srv/c/' }, 0), { run: '/srv/c/run', data: '/srv/c/data' })
})

test('a CLOISTER_ROOT that is not absolute is refused, an empty one is none', (t) => {
  t.throws(() => stateRoots({ CLOISTER_ROOT: 'here' }, 0), { instanceOf: HostError, message: /must begin with/ })
  t.deepEqual(stateRoots({ CLOISTER_ROOT: '' }, 0), stateRoots({}, 0))
})

test('a CLOISTER_ROOT that others can write is refused, sticky or not; one that is missing is made', (t) => {
  const root = join(temporaryDirectory(t), 'root')
  const env = { CLOISTER_ROOT: root }
  t.is(claimRunRoot(env), join(root, 'run'))
  t.is(modeOf(root), 0o700)
  chmodSync(root, 0o755)
  claimRunRoot(env)
  t.is(modeOf(root), 0o755)
  for (const mode of [0o1777, 0o777, 0o775]) {
    chmodSync(root, mode)
    t.throws(() => claimRunRoot(env), { instanceOf: HostError, message: /others can write/ })
    t.is(modeOf(root), mode)
  }
})

test('a login without a home and without CLOISTER_ROOT is told to name a place', (t) => {
  t.throws(() => stateRoots({}, 7), { instanceOf: HostError, message: /HOME is not set/ })
})

test('a state directory is made, with its parents, for its owner alone', (t) => {
  const path = join(temporaryDirectory(t), 'a/b/run')
  claimDirectory(path)
  t.is(modeOf(path), 0o700)
  claimDirectory(path)
})

test('one that others may look into is closed', (t) => {
  const path = join(temporaryDirectory(t), 'run')
  mkdirSync(path)
  chmodSync(path, 0o755)
  claimDirectory(path)
  t.is(modeOf(path), 0o700)
})

test('a symbolic link planted at the place is refused, and what it points to is left alone', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'target'))
  chmodSync(join(directory, 'target'), 0o755)
  symlinkSync('target', join(directory, 'run'))
  t.throws(() => claimDirectory(join(directory, 'run')), { instanceOf: HostError, message: /not a real directory/ })
  t.is(modeOf(join(directory, 'target')), 0o755)
})

test('a file at the place is refused', (t) => {
  const path = join(temporaryDirectory(t), 'run')
  writeFileSync(path, '')
  t.throws(() => claimDirectory(path), { instanceOf: HostError })
})

test('a parent that others can write, without the sticky bit, is refused: they could swap the directory', (t) => {
  const parent = join(temporaryDirectory(t), 'open')
  mkdirSync(parent)
  chmodSync(parent, 0o777)
  t.throws(() => claimDirectory(join(parent, 'run')), { instanceOf: HostError, message: /others can write/ })
  chmodSync(parent, 0o1777)
  claimDirectory(join(parent, 'run'))
  t.pass()
})

test('a place where no directory can be made is refused at once', (t) => {
  const module = new URL('../../src/instance/state-root.js', import.meta.url).href
  const script = `
    import { claimRunRoot } from ${JSON.stringify(module)}
    try { claimRunRoot({ CLOISTER_ROOT: '/proc/nowhere/below' }) } catch (error) { console.log(error.message) }`
  // In a process of its own: one that never came back would take this one with it.
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  t.is(signal, null)
  t.regex(stdout, /^Cannot make the state directory \/proc\/nowhere\/below: /)
})

test('a variable of the login that names no absolute path counts as missing, as its specification says', (t) => {
  const home = { HOME: '/home/x' }
  t.deepEqual(stateRoots({ ...home, XDG_DATA_HOME: 'data', XDG_RUNTIME_DIR: 'run' }, 7), stateRoots(home, 7))
  t.throws(() => stateRoots({ HOME: 'x' }, 7), { instanceOf: HostError, message: /HOME is not set/ })
})

test('several processes that make the same directories at the same time all have them', async (t) => {
  const place = temporaryDirectory(t)
  const module = new URL('../../src/instance/state-root.js', import.meta.url).href
  const path = join(place, ...'abcdefghijklmnopqrstuvwxyz')
  const start = Date.now() + 400
  const script = `import('${module}').then((m) => { while (Date.now() < ${start}); m.claimDirectory('${path}') })`
  const run = promisify(execFile)
  await t.notThrowsAsync(Promise.all([1, 2, 3, 4].map(() => run(process.execPath, ['-e', script]))))
})
