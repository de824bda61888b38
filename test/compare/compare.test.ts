import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { Comparison } from '../../src/compare/compare.ts'
import { describeHost } from '../../src/compare/host-facts.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { type Cli, commandLine } from '../helpers/cli.ts'
import { containerTest, temporaryDirectory } from '../helpers/containers.ts'

async function whenRunning(cloister: Cli): Promise<void> {
  while ((JSON.parse((await cloister(['ps', '--json'])).stdout) as unknown[]).length === 0) await sleep(20)
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  containerTest(`${signal} ends a comparison with ${status}, and nothing of it is left`, async (t) => {
    const cloister = commandLine(t)
    const TMPDIR = temporaryDirectory(t)
    const { child, result } = cloister.start(['compare', '--levels', 'container', BUSYBOX, 'sleep', '60'], {
      env: { TMPDIR },
    })
    await whenRunning(cloister)
    child.kill(signal)
    t.deepEqual(await result, { status, stdout: '', stderr: '' })
    t.deepEqual(readdirSync(TMPDIR), [])
    // Not even one that the next command would have to clean up after.
    t.deepEqual(readdirSync(join(cloister.root, 'run/live')), [])
    t.is((await cloister(['ps', '-a', '--json'])).stdout, '[]\n')
  })
}

containerTest('a level that does not run is named with its reason, and the others are compared', async (t) => {
  const cloister = commandLine(t)
  mkdirSync(cloister.root, { mode: 0o700 })
  const args = ['compare', '--runs', '1', '--memory', '8M', '--json', BUSYBOX, 'echo', 'hi']
  const { status, stdout, stderr } = await cloister(args)
  t.is(stderr, '')
  t.is(status, 0)
  const comparison = JSON.parse(stdout) as Comparison
  t.is(comparison.memoryBytes, 8 * 2 ** 20)
  t.deepEqual(
    comparison.levels.map(({ isolation }) => isolation),
    ['container'],
  )
  t.like(comparison.unavailable[0], { isolation: 'unikernel' })
  t.regex(
    comparison.unavailable[0]!.reason,
    /^Cannot run .*: a unikernel needs at least 16 MiB of memory\.\n.*--memory/,
  )
  const { time, exitCode, outputBytes } = comparison.levels[0]!
  t.deepEqual([exitCode, outputBytes], [0, 3])
  t.like(time.exit, { count: 1 })
  t.is(time.exit?.p95Ms, undefined)
  t.true(time.exit!.maxMs >= time.created!.maxMs)
  t.is(time.entered, undefined)
})

test('where no level runs, the comparison says why and ends with 125', async (t) => {
  const args = ['compare', '--levels', 'unikernel', '--runs', '1', '--memory', '8M', BUSYBOX, 'true']
  const { status, stdout } = await commandLine(t)(args)
  t.is(status, 125)
  t.regex(stdout, /^No level ran\.\nunikernel did not run: Cannot run /m)
})

test('the facts of the host have types, and null where the host has no such thing', (t) => {
  const titled = (id: string) => ({ id, title: id })
  const facts = describeHost([
    { ...titled('kvm-backend'), status: 'pass', detail: 'words', facts: { module: 'kvm_amd' } },
    { ...titled('kernel-mode-speed'), status: 'pass', detail: 'words', facts: { instructionsPerSecond: 7 } },
    { ...titled('container-runtime'), status: 'fail', detail: 'neither is installed' },
    { ...titled('cgroups'), status: 'pass', detail: 'words', facts: { layout: 'v2' } },
  ])
  t.like(facts, {
    kvmBackend: 'kvm_amd',
    kernelModeInstructionsPerSecond: 7,
    containerRuntime: null,
    cgroups: 'v2',
    node: process.versions.node,
  })
  for (const number of [facts.cpus, facts.memoryBytes]) t.true(Number.isSafeInteger(number) && number > 0)
  t.is(describeHost([]).kvmBackend, null)
})
