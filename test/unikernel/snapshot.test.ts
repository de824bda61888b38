/** A unikernel is saved as it runs, and others go on from there: each with random numbers, a name and streams of its own. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { HostError, UsageError } from '../../src/errors.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { packageRoot } from '../../src/paths.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { type LiveUnikernel, openUnikernel } from '../helpers/unikernels.ts'

const programs = mkdtempSync(join(tmpdir(), 'cloister-identity-'))
const IDENTITY = join(programs, 'identity')

test.before('the program is built', () => {
  const source = join(packageRoot, 'guest-kernel/tests/programs/identity.c')
  execFileSync('gcc', ['-static', '-O1', '-Wall', '-Werror', '-o', IDENTITY, source])
})

test.after.always('it is removed', () => rmSync(programs, { recursive: true, force: true }))

const identity = (name: string, changes: Partial<RunSpec> = {}): RunSpec =>
  busyboxSpec([], {
    name,
    isolation: 'unikernel',
    source: { kind: 'program', hostPath: IDENTITY, path: IDENTITY },
    program: IDENTITY,
    argv: [IDENTITY],
    env: [`HOSTNAME=${name}`],
    memoryBytes: 32 * 2 ** 20,
    interactive: true,
    ...changes,
  })

async function started(t: ExecutionContext, spec: RunSpec): Promise<LiveUnikernel> {
  const live = openUnikernel(t, spec)
  await live.instance.start()
  return live
}

const snapshotOf = async (t: ExecutionContext, { instance }: LiveUnikernel, base?: string): Promise<string> => {
  const directory = base === undefined ? join(temporaryDirectory(t), 'one') : `${base}-later`
  await instance.snapshot!({ directory, ...(base === undefined ? {} : { base }) })
  return directory
}

interface Answer {
  readonly random: string
  readonly urandom: string
  readonly host: string
  readonly time: number
}

async function ask(live: LiveUnikernel, word: string): Promise<Answer> {
  live.say(`${word}\n`)
  const said = await live.outputWith(new RegExp(` ${word}\n`))
  const [random, urandom, host, time] = said
    .split('\n')
    .find((line) => line.endsWith(` ${word}`))!
    .split(' ')
  return { random: random!, urandom: urandom!, host: host!, time: Number(time) }
}

kvmTestSerial('the original and its copies have random numbers, a name and a time of their own', async (t) => {
  const original = await started(t, identity('original'))
  await original.outputWith(/ready/)
  const directory = await snapshotOf(t, original)
  const copies = await Promise.all(['first', 'second'].map((name) => started(t, identity(name, { from: directory }))))
  const answers = await Promise.all([original, ...copies].map((live) => ask(live, 'now')))
  t.deepEqual(
    answers.map(({ host }) => host),
    ['original', 'first', 'second'],
  )
  t.is(new Set(answers.flatMap(({ random, urandom }) => [random, urandom])).size, 6)
  for (const { time } of answers) t.true(Math.abs(time - Date.now() / 1000) < 30, `${time}`)
  // Nothing that was printed before comes again.
  for (const copy of copies) t.false(copy.output().includes('ready'))
})

kvmTestSerial('one that stands still is saved twice: its release and the next hold come together', async (t) => {
  const live = await started(t, identity('still'))
  await live.outputWith(/ready/)
  await live.instance.pause!()
  await snapshotOf(t, live)
  await snapshotOf(t, live)
  await live.instance.resume!()
  t.is((await ask(live, 'now')).host, 'still')
})

kvmTestSerial('a program caught while it draws random numbers never sees one that another copy sees', async (t) => {
  const original = await started(t, identity('draws', { argv: [IDENTITY, 'draw'], interactive: false }))
  await original.outputWith(/\n.*\n/)
  for (let round = 0; round < 5; round++) {
    const directory = await snapshotOf(t, original)
    const before = new Set(original.output().split('\n'))
    const spec = { argv: [IDENTITY, 'draw'], interactive: false, from: directory }
    const copies = await Promise.all(['a', 'b'].map((name) => started(t, identity(`${name}${round}`, spec))))
    const drawn = await Promise.all(
      copies.map(async (copy) => (await copy.outputWith(/(.*\n){20}/)).split('\n').slice(1, -1)),
    )
    const own = drawn.flat()
    // The first line may be the rest of one that was being written.
    t.is(new Set(own).size, own.length)
    t.deepEqual(
      own.filter((line) => before.has(line)),
      [],
    )
    await Promise.all(copies.map((copy) => copy.close()))
  }
})

kvmTestSerial('a copy reads input of its own, and its end is where that ends', async (t) => {
  const original = await started(t, identity('original'))
  await original.outputWith(/ready/)
  await ask(original, 'before')
  const directory = await snapshotOf(t, original)
  const copy = await started(t, identity('copy', { from: directory }))
  await ask(copy, 'to-the-copy')
  copy.endInput()
  t.is((await copy.wait()).exitCode, 7)
  t.regex(await copy.outputWith(/end/), /to-the-copy\nend\n$/)
  await ask(original, 'to-the-original')
  original.endInput()
  t.is((await original.wait()).exitCode, 7)
  t.false(original.output().includes('to-the-copy'))
})

kvmTestSerial('a copy of one whose input had ended finds it ended', async (t) => {
  const original = await started(t, identity('original', { interactive: true, argv: [IDENTITY, 'draw'] }))
  original.endInput()
  await original.outputWith(/\n/)
  const directory = await snapshotOf(t, original)
  const copy = await started(t, identity('copy', { from: directory, argv: [IDENTITY, 'draw'] }))
  await copy.outputWith(/\n/)
  t.pass()
})

kvmTestSerial('one that stands still stays so, and goes on when it is resumed', async (t) => {
  const original = await started(t, identity('paused'))
  await original.outputWith(/ready/)
  await original.instance.pause()
  const directory = await snapshotOf(t, original)
  original.say('while paused\n')
  const copy = await started(t, identity('copy', { from: directory }))
  await ask(copy, 'now')
  t.false(original.output().includes('while paused'))
  await original.instance.resume()
  await original.outputWith(/while paused\n/)
})

kvmTestSerial('one that stands still stays so when it cannot be saved', async (t) => {
  const original = await started(t, identity('paused'))
  await original.outputWith(/ready/)
  await original.instance.pause()
  const directory = join(temporaryDirectory(t), 'one')
  await t.throwsAsync(original.instance.snapshot!({ directory, base: `${directory}-none` }), { instanceOf: HostError })
  original.say('while paused\n')
  await sleep(200)
  t.false(original.output().includes('while paused'))
  await original.instance.resume()
  await original.outputWith(/while paused\n/)
})

kvmTestSerial('a copy can be saved and copied again', async (t) => {
  const original = await started(t, identity('zero'))
  await original.outputWith(/ready/)
  let live = original
  const seen = new Set<string>()
  for (const name of ['one', 'two', 'three']) {
    const directory = await snapshotOf(t, live)
    live = await started(t, identity(name, { from: directory }))
    const { random, host } = await ask(live, 'now')
    t.is(host, name)
    seen.add(random)
  }
  t.is(seen.size, 3)
})

kvmTestSerial('a signal that comes while it is saved is not lost, and goes to the original only', async (t) => {
  const original = await started(t, identity('signalled'))
  await original.outputWith(/ready/)
  const parent = temporaryDirectory(t)
  const directory = join(parent, 'one')
  const saving = original.instance.snapshot!({ directory })
  // It is being made from when the program stands still on.
  while (readdirSync(parent).length === 0) await new Promise((resolve) => setImmediate(resolve))
  t.false(existsSync(directory))
  original.instance.signal(15)
  await saving
  t.is((await original.wait()).exitCode, 143)
  const copy = await started(t, identity('copy', { from: directory }))
  await ask(copy, 'alive')
})

kvmTestSerial('one whose output nobody reads is saved all the same', async (t) => {
  const original = await started(t, identity('blocked', { argv: [IDENTITY, 'draw'], interactive: false }))
  await original.outputWith(/\n/)
  original.readOutput(false)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const directory = await snapshotOf(t, original)
  const copy = await started(t, identity('copy', { argv: [IDENTITY, 'draw'], interactive: false, from: directory }))
  await copy.outputWith(/(.+\n){5}/)
  const before = original.output().length
  original.readOutput(true)
  await original.outputWith(new RegExp(`^[\\s\\S]{${before + 1000}}`))
  t.pass()
})

kvmTestSerial('one that is killed while it is saved ends, and leaves a whole snapshot or none', async (t) => {
  for (const delay of [0, 1, 2, 5, 10, 20, 50]) {
    const original = await started(t, identity('killed', { memoryBytes: 64 * 2 ** 20 }))
    await original.outputWith(/ready/)
    const parent = temporaryDirectory(t)
    const saving = original.instance.snapshot!({ directory: join(parent, 'one') }).then(
      () => ['one'],
      () => [],
    )
    await new Promise((resolve) => setTimeout(resolve, delay))
    await original.close()
    t.deepEqual(readdirSync(parent), await saving)
  }
})

kvmTestSerial('one that ends while it is saved waits for that', async (t) => {
  const original = await started(t, identity('ends'))
  await original.outputWith(/ready/)
  const parent = temporaryDirectory(t)
  const directory = join(parent, 'one')
  const saving = original.instance.snapshot!({ directory })
  // It is being made from when the program stands still on.
  while (readdirSync(parent).length === 0) await new Promise((resolve) => setImmediate(resolve))
  original.endInput()
  t.is((await original.wait()).exitCode, 7)
  await original.instance.close()
  await saving
  const copy = await started(t, identity('copy', { from: directory }))
  await ask(copy, 'alive')
})

kvmTestSerial('one that is saved before its program has begun is called by the names of its copies', async (t) => {
  const original = await started(t, identity('original'))
  const directory = await snapshotOf(t, original)
  const copy = await started(t, identity('copy', { from: directory }))
  await copy.outputWith(/ready/)
  t.is((await ask(copy, 'now')).host, 'copy')
  t.is((await ask(original, 'now')).host, 'original')
})

kvmTestSerial('one that has ended cannot be saved', async (t) => {
  const original = await started(t, identity('ended'))
  await original.outputWith(/ready/)
  original.endInput()
  await original.wait()
  await t.throwsAsync(snapshotOf(t, original), { instanceOf: UsageError, message: /has just ended/ })
})

test('one that has not started cannot be saved', async (t) => {
  const { instance } = openUnikernel(t, identity('early'))
  await t.throwsAsync(async () => instance.snapshot!({ directory: '/nowhere/one' }), {
    instanceOf: UsageError,
    message: /has not started yet/,
  })
})
