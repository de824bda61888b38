import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ContenderRefused } from '../../src/bench/contender.ts'
import { assemble } from '../../src/bench/contenders.ts'
import { findProgram } from '../../src/bench/find-program.ts'
import { timeProcess } from '../../src/bench/process-run.ts'
import { makeScratch } from '../../src/bench/scratch.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const never = new AbortController().signal
const contender = {
  name: 'sh',
  kind: 'peer',
  what: '',
  success: 0,
  runsProbe: true,
  prepare: () => () => sh(''),
} as const
const sh = (script: string) => ({ file: '/bin/sh', args: ['-c', script] })

test('a peer is found in PATH, by its absolute directories only, and its absence teaches how to install it', (t) => {
  const directory = temporaryDirectory(t)
  const program = join(directory, 'some-vmm')
  writeFileSync(program, '#!/bin/sh\n')
  t.throws(() => findProgram('some-vmm', 'apt-get install some-vmm', directory), {
    instanceOf: ContenderRefused,
    message: 'some-vmm is not installed. Install it: apt-get install some-vmm',
  })
  chmodSync(program, 0o755)
  t.is(findProgram('some-vmm', '', `relative:${directory}`), program)
  t.throws(() => findProgram('some-vmm', '', 'relative:.'), { instanceOf: ContenderRefused })
})

test('levels come first, then peers, and those that are missing are listed with the reason', (t) => {
  const scratch = makeScratch()
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
    scratch.remove()
  })
  process.env.PATH = '/nowhere'
  const wanted = { levels: ['unikernel'], peers: ['node', 'qemu', 'host'], memoryBytes: 2 ** 27 } as const
  const { present, unavailable } = assemble(wanted, scratch)
  t.deepEqual(
    present.map(({ name, kind }) => [name, kind]),
    [
      ['unikernel', 'level'],
      ['node', 'floor'],
      ['host', 'floor'],
    ],
  )
  t.like(unavailable[0], { name: 'qemu', kind: 'peer' })
  t.regex(unavailable[0]!.reason, /qemu-system-x86_64 is not installed/)
})

test('nothing that is measured reads extra certificates at its start', (t) => {
  const before = process.env.NODE_EXTRA_CA_CERTS
  process.env.NODE_EXTRA_CA_CERTS = '/nowhere.pem'
  const scratch = makeScratch()
  if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS
  else process.env.NODE_EXTRA_CA_CERTS = before
  t.false('NODE_EXTRA_CA_CERTS' in scratch.env)
  t.true(existsSync(scratch.directory))
  t.not(scratch.path('a'), scratch.path('a'))
  scratch.remove()
  t.false(existsSync(scratch.directory))
})

test('a run is timed from its request to its end, its first output in between', async (t) => {
  const { totalMs, firstOutputMs, output, marksMs } = await timeProcess(contender, sh('echo hi; sleep 0.05'), never)
  t.is(output, 'hi\n')
  t.true(firstOutputMs! > 0 && firstOutputMs! < totalMs)
  t.deepEqual(marksMs, {})
})

for (const [title, script, message] of [
  ['another status', 'echo out; echo cloister: no memory >&2; exit 3', 'it ended with 3: no memory'],
  ['no output', 'true', 'it ended with 0: it said nothing'],
  ['death by a signal', 'echo out; kill -9 $$', 'it ended with a signal: it said nothing'],
] as const) {
  test(`${title} is no measurement: the contender is refused`, async (t) => {
    await t.throwsAsync(timeProcess(contender, sh(script), never), { instanceOf: ContenderRefused, message })
  })
}

test('a program that cannot be started is refused', async (t) => {
  const launch = { file: '/nowhere/at-all', args: [] }
  await t.throwsAsync(timeProcess(contender, launch, never), { instanceOf: ContenderRefused, message: /ENOENT/ })
})

test('an interrupted run is ended, and waited for', async (t) => {
  const directory = temporaryDirectory(t)
  const controller = new AbortController()
  const running = timeProcess(
    contender,
    sh(`trap 'touch ${directory}/ended; exit 1' TERM; echo up; while :; do sleep 0.02; done`),
    controller.signal,
  )
  setTimeout(() => controller.abort(new Error('enough')), 100)
  await t.throwsAsync(running, { message: 'enough' })
  t.deepEqual(readdirSync(directory), ['ended'])
})
