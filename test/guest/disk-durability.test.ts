/**
 * What a guest was told is on the medium, is: the system calls of a whole VM, in order, and kill -9 at chosen ones.
 * io_uring's own operations are not system calls, so most of this forbids it; strace is what says so to the VMM.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { CLOISTER } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { pattern } from '../helpers/disk-files.ts'
import { kvmTest } from '../helpers/kvm.ts'

const SIZE = 256 * 1024
const POOL = 'inject=io_uring_setup:error=EPERM'
const WRITE = ['dd', 'if=/dev/zero', 'of=/dev/vda', 'bs=4k', 'count=4', 'conv=fsync'] as const
const HANG_MS = 60_000

const canTrace = (): boolean => {
  try {
    execFileSync('strace', ['-f', '-e', 'trace=fsync', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const setUp = (t: ExecutionContext) => {
  const directory = temporaryDirectory(t)
  const base = join(directory, 'base.img')
  writeFileSync(base, pattern(SIZE))
  const env = { ...process.env, CLOISTER_ROOT: join(directory, 'root') }
  const command = (disk: string, busybox: readonly string[]) => [
    ...['run', '--isolation', 'unikernel', '--disk', disk, '/bin/busybox', ...busybox],
  ]
  /** @returns the first word that it says, when that is a checksum */
  const run = (disk: string, ...busybox: readonly string[]) =>
    spawnSync(CLOISTER, command(disk, busybox), {
      env,
      cwd: directory,
      encoding: 'utf8',
      timeout: HANG_MS,
    }).stdout.slice(0, 32)
  /** @returns the calls on the disk and the guest's own message, in the order in which they ended */
  const traced = (disk: string, rules: readonly string[], name: string): readonly string[] => {
    const log = join(directory, 'calls')
    const what = 'trace=pwrite64,pwritev,write,fdatasync,fsync,io_uring_setup,io_uring_enter'
    const options = ['-f', '-y', '-s', '12', '-o', log, ...[what, ...rules].flatMap((one) => ['-e', one])]
    spawnSync('strace', [...options, CLOISTER, ...command(disk, WRITE)], {
      env,
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: HANG_MS,
    })
    return callsOf(readFileSync(log, 'utf8'), directory, name)
  }
  return { directory, base, run, traced }
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')

/** `write`, `sync` of the disk, `sync directory`, `ring`, and `told` for what dd says at its end. */
function callsOf(log: string, directory: string, name: string): readonly string[] {
  const begun = new Map<string, string>()
  const calls: string[] = []
  for (const line of log.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(thread, rest)
      continue
    }
    // A call that another thread's interrupted in the log: it ends here.
    const call = rest.startsWith('<...') ? (begun.get(thread) ?? '') : rest
    if (call.includes(`<${join(directory, name)}>`))
      calls.push(/^f(?:data)?sync/.test(call) ? (/= 0$/.test(rest) ? 'sync' : 'failed sync') : 'write')
    else if (call.startsWith('fsync') && call.includes(`<${directory}>`)) calls.push('sync directory')
    else if (call.startsWith('io_uring_enter')) calls.push('ring')
    else if (/^write\(2<.*"4\+0 records/.test(call)) calls.push('told')
  }
  return calls
}

const traceTest = (title: string, implementation: (t: ExecutionContext) => void) =>
  canTrace()
    ? kvmTest(title, implementation)
    : test.skip(`${title} (skipped: strace traces nothing here)`, implementation)

traceTest('a guest hears of the end of its fsync only when the host has synced all that was written before', (t) => {
  const { base, traced } = setUp(t)
  const byPool = traced(base, [POOL], 'base.img')
  t.deepEqual(byPool, ['write', 'write', 'write', 'write', 'sync', 'told'])
  const best = traced(base, [], 'base.img')
  if (best.includes('ring')) t.deepEqual(best, ['write', 'write', 'write', 'write', 'ring', 'told'])
  else t.deepEqual(best, byPool)
})

traceTest(
  'an overlay is made to last with its name, and syncs data, map and data again before the guest hears',
  (t) => {
    const { base, traced } = setUp(t)
    const made = ['write', 'sync', 'sync directory']
    t.deepEqual(traced(`mine.img:base=${base}`, [POOL], 'mine.img'), [
      ...[...made, 'write', 'write', 'write', 'write'],
      ...['sync', 'write', 'sync', 'told', 'sync', 'sync'],
    ])
  },
)

traceTest('a sync that fails reaches the guest, and its program', (t) => {
  const { base, traced } = setUp(t)
  const calls = traced(base, [POOL, 'inject=fdatasync:error=EIO:when=1'], 'base.img')
  t.true(calls.includes('failed sync'))
  t.false(calls.slice(calls.indexOf('failed sync')).includes('sync'))
})

traceTest('an overlay of a VM that is killed has what was flushed, and reads as before where nothing was', (t) => {
  const { base, run, traced } = setUp(t)
  const before = md5(pattern(SIZE))
  const after = md5(pattern(SIZE).fill(0, 0, 4 * 4096))
  // Rules count for each thread by itself: the first sync of the pool's is a flush, that of the main loop the end.
  const rows = [
    { name: 'in-flush.img', rules: [POOL], told: false, survivor: before },
    { name: 'at-end.img', rules: [], told: true, survivor: after },
  ]
  for (const { name, rules, told, survivor } of rows) {
    const disk = `${name}:base=${base}`
    t.is(run(disk, 'md5sum', '/dev/vda'), before)
    const calls = traced(disk, [...rules, 'inject=fdatasync:signal=KILL:when=1'], name)
    if (told && !calls.includes('ring')) continue
    t.is(calls.includes('told'), told, calls.join(', '))
    t.is(run(disk, 'md5sum', '/dev/vda'), survivor, name)
  }
})
