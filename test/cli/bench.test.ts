/** `cloister bench` as a user runs it. Nothing here says how fast anything is: that the figures fit together is tested. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { BenchResult, Measurement } from '../../src/bench/bench-result.ts'
import type { Spread } from '../../src/compare/comparison.ts'
import { type Cli, commandLine } from '../helpers/cli.ts'
import { containerTest, temporaryDirectory, whyNoContainers } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { whyNoKvm } from '../helpers/why-no-kvm.ts'

const ONLY_HOST = ['--levels', '', '--peers', 'host,node']

async function measured(t: ExecutionContext, cloister: Cli, args: readonly string[]): Promise<BenchResult> {
  const { status, stdout, stderr } = await cloister(['bench', ...args, '--json'])
  t.is(stderr, '')
  t.is(status, 0)
  const result = JSON.parse(stdout) as BenchResult
  t.is(result.schema, 'cloister.bench/1')
  for (const measurement of result.measurements) checkMeasurement(t, result, measurement)
  return result
}

function checkMeasurement(
  t: ExecutionContext,
  { contenders, runs }: BenchResult,
  { reference, rows }: Measurement,
): void {
  const base = rows.find(({ contender }) => contender === reference)
  t.is(base === undefined, reference === null)
  for (const { contender, samples, summary, ratio } of rows) {
    t.true(contenders.some(({ name }) => name === contender))
    t.is(samples.length, runs)
    checkSpread(t, summary, samples)
    if (ratio) {
      checkSpread(
        t,
        ratio,
        samples.map((value, round) => value / base!.samples[round]!),
      )
    }
    const divisible = base !== undefined && [...samples, ...base.samples].every((value) => value > 0)
    t.is(ratio !== undefined, divisible && contender !== reference)
  }
}

function checkSpread(t: ExecutionContext, { count, min, median, p95, max }: Spread, values: readonly number[]): void {
  const sorted = [...values].sort((a, b) => a - b)
  t.is(count, values.length)
  t.deepEqual([min, max], [sorted[0]!, sorted.at(-1)!])
  t.is(median, sorted[Math.ceil(count / 2) - 1]!)
  t.is(p95 === undefined, count < 20)
  if (p95 !== undefined) t.true(median <= p95 && p95 <= max)
}

const rowsOf = ({ measurements }: BenchResult, id: string) =>
  measurements.find((measurement) => measurement.id === id)?.rows.map(({ contender }) => contender)

test('bench boot of the floors: every figure follows from the samples beside it', async (t) => {
  const result = await measured(t, commandLine(t), ['boot', ...ONLY_HOST, '--runs', '20', '--reference', 'host'])
  t.like(result, { bench: 'boot', runs: 20, unavailable: [] })
  t.deepEqual(rowsOf(result, 'total'), ['host', 'node'])
  // Node runs no probe: nobody sees its first instruction.
  t.deepEqual(rowsOf(result, 'request-to-program'), ['host'])
  t.is(rowsOf(result, 'request-to-ready'), undefined)
})

containerTest('bench boot of containers: spans lie within the whole, and runc stands beside them', async (t) => {
  const args = ['boot', '--levels', 'container', '--peers', 'runc', '--runs', '2']
  const { status, stdout } = await commandLine(t)(['bench', ...args, '--json'])
  const result = JSON.parse(stdout) as BenchResult
  // A host may have crun alone.
  if (result.unavailable.length > 0) t.is(status, 1)
  t.deepEqual(rowsOf(result, 'request-to-ready'), ['container'])
  const sample = (id: string) => result.measurements.find((one) => one.id === id)!.rows[0]!.samples[0]!
  const spans = ['request-to-ready', 'ready-to-entered', 'entered-to-program', 'exit-to-gone'].map(sample)
  for (const span of spans) t.true(span > 0)
  t.true(spans.reduce((sum, span) => sum + span) <= sample('total'))
})

kvmTestSerial('bench boot and syscall of a unikernel: the figures fit together, and only a VM has exits', async (t) => {
  const cloister = commandLine(t)
  const some = ['--levels', 'unikernel', '--peers', 'host', '--runs', '2']
  const boot = await measured(t, cloister, ['boot', ...some, '--reference', 'unikernel'])
  t.deepEqual(rowsOf(boot, 'request-to-ready'), ['unikernel'])
  const syscall = await measured(t, cloister, ['syscall', ...some])
  for (const id of ['cpu', 'system-call', 'write-null', 'file-read', 'write-output']) {
    t.deepEqual(rowsOf(syscall, id), ['unikernel', 'host'])
  }
  t.deepEqual(rowsOf(syscall, 'vm-exit'), ['main thread', 'pool thread'])
})

test('bench density: each series grows one by one to what was asked for', async (t) => {
  const levels = whyNoKvm === undefined ? 'unikernel' : whyNoContainers === undefined ? 'container' : ''
  const args = ['density', '--levels', levels, '--peers', 'host', '--instances', '3', '--runs', '2', '--memory', '32M']
  const { growth, contenders, runs } = await measured(t, commandLine(t), [...args, '--reserve', '64M'])
  t.is(growth!.length, contenders.length * runs)
  for (const { points, stoppedBy } of growth!) {
    t.is(stoppedBy, 'instances')
    t.deepEqual(
      points.map(({ instances }) => instances),
      [1, 2, 3],
    )
    for (const { startMs, privateBytes, proportionalBytes } of points) {
      t.true(startMs > 0 && proportionalBytes! >= privateBytes!)
    }
  }
})

test('a dozen instances at once are as quiet as two', async (t) => {
  const args = ['density', '--levels=', '--peers', 'host', '--instances', '12', '--runs', '1', '--reserve', '64M']
  const { growth } = await measured(t, commandLine(t), args)
  t.is(growth![0]!.points.length, 12)
})

test('what was asked for by name and is not there is listed with the reason, and the status says so', async (t) => {
  const cloister = commandLine(t)
  const env = { PATH: `${join(process.execPath, '..')}:/bin`, TMPDIR: temporaryDirectory(t) }
  const result = await cloister(['bench', 'syscall', '--levels', '', '--peers', 'node,host', '--runs', '1'], { env })
  t.is(result.status, 1)
  t.regex(result.stdout, /^node was not measured: /m)
  t.regex(result.stdout, /^host +\d/m)
})

test('where nothing can be measured the status is 125, and the reasons are there', async (t) => {
  const { status, stdout } = await commandLine(t)([
    'bench',
    'boot',
    '--levels',
    'unikernel',
    '--peers=',
    '--memory',
    '8M',
    '--runs',
    '1',
  ])
  t.is(status, 125)
  t.regex(stdout, /Nothing could be measured\./)
  t.regex(stdout, /unikernel was not measured: it ended with 125: Cannot run .*at least 16 MiB/)
})

test('--html writes a page beside what is printed', async (t) => {
  const file = join(temporaryDirectory(t), 'page.html')
  const { status, stdout, stderr } = await commandLine(t)([
    'bench',
    'boot',
    ...ONLY_HOST,
    '--runs',
    '1',
    '--html',
    file,
  ])
  t.is(status, 0)
  t.regex(stdout, /^bench boot /)
  t.regex(stderr, /the page is in/)
  t.regex(readFileSync(file, 'utf8'), /^<!doctype html>/i)
})

test('a page that could not be written is refused before anything is measured', async (t) => {
  const { status, stdout, stderr } = await commandLine(t)(['bench', 'boot', '--html', '/nowhere/page.html'])
  t.is(status, 125)
  t.is(stdout, '')
  t.regex(stderr, /\/nowhere\/page\.html/)
})

const someLevel = whyNoKvm === undefined ? 'unikernel' : 'container'
for (const [bench, args] of [
  ['boot', ['--runs', '1000']],
  ['density', ['--runs', '100', '--instances', '4', '--reserve', '64M']],
] as const) {
  const title = `SIGINT ends bench ${bench} with 130, and nothing of it is left`
  const skipped = whyNoKvm !== undefined && whyNoContainers !== undefined
  const testOrSkip = skipped ? test.serial.skip : test.serial
  testOrSkip(title, async (t) => {
    const cloister = commandLine(t)
    const TMPDIR = temporaryDirectory(t)
    const asked = ['bench', bench, '--levels', someLevel, '--peers', 'qemu,runc', '--memory', '32M', ...args]
    const { child, result } = cloister.start(asked, { env: { TMPDIR } })
    const live = join(cloister.root, 'run/live')
    while (!existsSync(live) || readdirSync(live).length === 0) await sleep(5)
    const tree = childrenOf(child.pid!)
    child.kill('SIGINT')
    t.like(await result, { status: 130, stdout: '' })
    t.deepEqual(readdirSync(TMPDIR), [])
    t.deepEqual(readdirSync(live), [])
    t.deepEqual(
      tree.filter((pid) => existsSync(`/proc/${pid}`)),
      [],
    )
  })
}

/** The processes below one: the launcher becomes Node, so they are its own. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  const pids = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
  return pids.flatMap((child) => [child, ...childrenOf(child)])
}
