import test from 'ava'
import { benchRequest } from '../../src/cli/bench-request.ts'
import type { ParsedArguments } from '../../src/cli/command.ts'
import { bench } from '../../src/cli/definitions/bench.ts'
import { fullParse } from '../../src/cli/full-parse.ts'
import { UsageError } from '../../src/errors.ts'
import { ISOLATION_LEVELS } from '../../src/instance/run-spec.ts'

const fallback = { seed: 42, reserveBytes: 1_500_000 }
const ask = async (...args: string[]) => benchRequest((await fullParse(bench, args)) as ParsedArguments, fallback)

test('what is not said has a default, which the command that repeats it spells out', async (t) => {
  const request = await ask('boot')
  t.like(request, { bench: 'boot', levels: ISOLATION_LEVELS, runs: 20, seed: 42, memoryBytes: 2 ** 27, named: [] })
  t.deepEqual(request.peers, ['qemu', 'runc', 'crun', 'host', 'node'])
  t.is(request.references[0], 'qemu')
  t.deepEqual((await ask('density')).peers, ['qemu', 'runc', 'crun', 'host'])
  const defaults = [...ISOLATION_LEVELS, 'qemu', 'runc', 'crun', 'host']
  t.is((await ask('syscall')).references[0], 'host')
  for (const bench of ['block', 'net']) t.like(await ask(bench), { bench, runs: 7, references: ['qemu', ...defaults] })
  t.regex(request.command, /^cloister bench boot .*--runs 20 --seed 42 --memory 128M$/)
})

test('the command that repeats a benchmark asks for the very same', async (t) => {
  const first = await ask('--runs', '4', '--levels', 'unikernel', '--reserve=1G', 'density', '--seed', '9')
  const words = [...first.command.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word).slice(2)
  const { named: _, ...again } = await ask(...words)
  const { named, ...asked } = first
  t.deepEqual(again, asked)
  t.deepEqual(named, ['unikernel'])
})

test('the reserve of the host is rounded up to whole MiB', async (t) => {
  t.is((await ask('density')).reserveBytes, 2 * 2 ** 20)
})

test('lists name each thing once, and an empty one is empty', async (t) => {
  const { levels, peers, named } = await ask('boot', '--levels=', '--peers', 'host,node,host')
  t.deepEqual([levels, peers, named], [[], ['host', 'node'], ['host', 'node']])
})

test('a reference that was named is wanted, and nobody else takes its place', async (t) => {
  const { references, named } = await ask('boot', '--reference', 'runc')
  t.deepEqual([references, named], [['runc'], ['runc']])
})

for (const [args, message] of [
  [['bot'], /Cannot measure the benchmark "bot"/],
  [['boot', '--levels', 'unikernal'], /Cannot measure the level "unikernal"/],
  [['boot', '--peers', 'xen'], /Cannot measure the peer "xen"/],
  [['boot', '--peers', 'host', '--reference', 'qemu'], /Cannot measure the reference "qemu"/],
  [['boot', '--levels=', '--peers='], /Cannot measure nothing/],
  [['boot', '--runs', '0'], /the number of runs/],
  [['boot', '--runs', '1e3'], /the number of runs/],
  [['boot', '--seed', '-1'], /the seed/],
  [['density', '--instances', '1'], /the number of instances/],
  [['density', '--reserve', 'much'], /Cannot read "much" as a size/],
  [['boot', '--memory', 'x'], /Cannot read "x" as a size/],
] as const) {
  test(`bench ${args.join(' ')} is refused before anything is measured`, async (t) => {
    await t.throwsAsync(ask(...args), { instanceOf: UsageError, message })
  })
}

test('a name that is nearly right is suggested', async (t) => {
  const error = await t.throwsAsync(ask('boot', '--levels', 'unikernal'), { instanceOf: UsageError })
  t.regex(error!.hint!, /Did you mean "unikernel"\?/)
})
