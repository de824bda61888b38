/**
 * libuv's pool holds just the threads that the vCPUs and what was counted occupy: anything else that waits for one
 * would wait until the guest ends. So nothing else in a VMM process may ask for one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { BugError } from '../../src/errors.ts'
import { poolThreads, sizeThreadPool } from '../../src/machine/thread-pool.ts'
import { packageRoot } from '../../src/paths.ts'
import { bootGuest } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

/** What a process that has a VM loads. */
const VMM = ['backends', 'boot', 'bus', 'control', 'devices', 'holder', 'image', 'instance', 'machine', 'memory']
const FOLDERS = [...VMM, 'unikernel', 'virtio', 'vmm']

const IMPORT = /import \{([^}]*)\} from '(node:[a-z/_]+)'/gs
/** Modules whose functions run on the pool, whatever they are called. */
const ON_THE_POOL = ['node:fs/promises', 'node:dns', 'node:dns/promises', 'node:zlib']
/** Of node:fs: functions without a callback, and what is no function. */
const AT_ONCE = /^(type .*|[a-z]\w*Sync|constants|[A-Z]\w*)$/

/** Imports that lead to the pool. */
function poolUsers(source: string): string[] {
  return [...source.matchAll(IMPORT)].flatMap(([, names = '', from = '']) => {
    if (ON_THE_POOL.includes(from)) return [from]
    if (from !== 'node:fs') return []
    return names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !AT_ONCE.test(name))
  })
}

test('nothing in a VMM process waits for a thread of the pool behind its vCPUs', (t) => {
  for (const folder of FOLDERS) {
    const files = readdirSync(join(packageRoot, 'src', folder), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.ts'))) {
      const source = readFileSync(join(packageRoot, 'src', folder, file), 'utf8')
      t.deepEqual({ file, users: poolUsers(source) }, { file, users: [] })
      t.notRegex(source, /from 'node:fs'.*\bpromises\b|import\('node:(fs|dns|zlib)/, file)
    }
  }
})

test('an import that leads to the pool is seen', (t) => {
  t.deepEqual(poolUsers("import { readFile, readFileSync } from 'node:fs'"), ['readFile'])
  t.deepEqual(poolUsers("import { constants, type Stats } from 'node:fs'\nimport { gzip } from 'node:zlib'"), [
    'node:zlib',
  ])
})

/** As if the process had been started with that size. */
async function withPoolSize(size: string | undefined, work: () => unknown): Promise<void> {
  const before = process.env.UV_THREADPOOL_SIZE
  const set = (value: string | undefined) => {
    if (value === undefined) delete process.env.UV_THREADPOOL_SIZE
    else process.env.UV_THREADPOOL_SIZE = value
  }
  set(size)
  try {
    await work()
  } finally {
    set(before)
  }
}

test.serial('the pool has a thread for every vCPU and for all that was counted, and one at least', (t) =>
  withPoolSize(undefined, () => {
    t.is(poolThreads(), 4)
    sizeThreadPool(6, 2)
    t.is(poolThreads(), 8)
    sizeThreadPool(0, 0)
    t.is(poolThreads(), 1)
  }),
)

kvmTestSerial('more vCPUs than the pool has threads are refused: some would never run', (t) =>
  withPoolSize('2', async () => {
    await t.throwsAsync(bootGuest('bare/smp', { runner: 'pool', cpus: 3 }), {
      instanceOf: BugError,
      message: /pool of 2/,
    })
  }),
)
