import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { childrenOf, descendantsOf } from '../../src/host/process-status.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { type Cli, type CliResult, commandLine } from '../helpers/cli.ts'
import { containerTest } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { holdersOf, leftoversOf } from '../helpers/leftovers.ts'

const LEVELS = [
  { isolation: 'unikernel', levelTest: kvmTestSerial },
  { isolation: 'container', levelTest: containerTest },
] as const

/** CLOISTER_CRASH_ROUNDS=50 CLOISTER_CRASH_SEED=... for the long form, or to see a failure again. */
const ROUNDS = Number(process.env.CLOISTER_CRASH_ROUNDS ?? 3)
const FIRST_SEED = Number(process.env.CLOISTER_CRASH_SEED ?? Date.now() % 1_000_000)
const ROUND_TIMEOUT_MS = 60_000
const STARTING_MS = 400
const DOING_MS = 150

type Random = (below: number) => number

/** mulberry32: small, seeded. */
function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

interface Stage {
  readonly t: ExecutionContext
  readonly cloister: Cli
  readonly isolation: string
  readonly random: Random
  readonly name: string
}

/** @returns whether the instance must be on record afterwards */
type Scene = (stage: Stage) => Promise<boolean>

const startArguments = ({ isolation, name }: Stage) => [
  'run',
  '-d',
  '--isolation',
  isolation,
  '--name',
  name,
  BUSYBOX,
  'sleep',
  '600',
]

async function started(stage: Stage): Promise<number> {
  const { t, cloister, name } = stage
  t.deepEqual(await cloister(startArguments(stage)), { status: 0, stdout: `${name}\n`, stderr: '' })
  return holderOf(stage)!
}

const holderOf = ({ cloister, name }: Stage): number | undefined => {
  const marker = readdirSync(join(cloister.root, 'run/live')).find((entry) => entry.endsWith(`-${name}`))
  return marker === undefined ? undefined : Number.parseInt(marker, 10)
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

/** Whatever was killed, a command says what it has to say in a few lines. */
function isPlain({ t, name }: Stage, { stderr }: CliResult): void {
  t.true(stderr.split('\n').length <= 4 && !/^ +at /m.test(stderr), `${name}: ${stderr}`)
}

const killCommand: Scene = async (stage) => {
  const { child, result } = stage.cloister.start(startArguments(stage))
  await sleep(stage.random(STARTING_MS))
  child.kill('SIGKILL')
  return (await result).stdout === `${stage.name}\n`
}

const killHolderAtItsStart: Scene = async (stage) => {
  const { child, result } = stage.cloister.start(startArguments(stage))
  let over = false
  void result.finally(() => {
    over = true
  })
  let holder: number | undefined
  while (holder === undefined && !over) {
    await sleep(1)
    holder = childrenOf(child.pid!)[0]
  }
  await sleep(stage.random(STARTING_MS))
  if (holder !== undefined) killNow(holder)
  const done = await result
  isPlain(stage, done)
  stage.t.is(done.stdout, done.status === 0 ? `${stage.name}\n` : '')
  if (done.status !== 0)
    stage.t.regex(done.stderr, /^cloister: Cannot start the instance: its process ended with SIGKILL/)
  return done.status === 0
}

const DEEDS = [
  ['pause'],
  ['resume'],
  ['kill'],
  ['stop', '--time', '100ms'],
  ['rm', '-f'],
  ['stats'],
  ['attach'],
] as const

const killHolderAtWork: Scene = async (stage) => {
  const { t, cloister, random, name } = stage
  const holder = await started(stage)
  const deed = DEEDS[random(DEEDS.length)]!
  if (deed[0] === 'resume') await cloister(['pause', name])
  const { result } = cloister.start([...deed, name])
  // Most of it is the start of the command itself.
  await sleep(50 + random(DOING_MS))
  killNow(holder)
  const done = await result
  isPlain(stage, done)
  if (deed[0] !== 'rm') return true
  t.is(done.status, 0, done.stderr)
  return false
}

/** Of a container: setpriv or unshare, the runtime, init, the program. Of a VM there is none beside its holder. */
const killMonitor: Scene = async (stage) => {
  const { t, cloister, random, name } = stage
  const holder = await started(stage)
  const chain = descendantsOf(holder)
  await sleep(random(DOING_MS))
  if (chain.length === 0) return true
  killNow(chain[random(chain.length)]!)
  const { status, stdout, stderr } = await cloister(['wait', name])
  t.is(status, 0, stderr)
  t.regex(stdout, /^(137|125)\n$/)
  t.is(await endOf(stage), 'exited')
  return true
}

async function endOf({ cloister, name }: Stage): Promise<string> {
  const { stdout } = await cloister(['inspect', name])
  return (JSON.parse(stdout) as { state: { status: string } }[])[0]!.state.status
}

const killSweeper: Scene = async (stage) => {
  const { cloister, random, name } = stage
  killNow(await started(stage))
  const remove = random(2) === 1
  const { child, result } = cloister.start(remove ? ['rm', '-f', name] : ['ps', '-a'])
  await sleep(30 + random(DOING_MS))
  child.kill('SIGKILL')
  await result
  return !remove
}

const manySweepers: Scene = async (stage) => {
  const { t, cloister, name } = stage
  killNow(await started(stage))
  const looks = await Promise.all([1, 2, 3].map(() => cloister(['ps', '-a', '--json'])))
  for (const { status, stdout, stderr } of looks) {
    t.is(status, 0, stderr)
    const record = (JSON.parse(stdout) as { name: string; status: string }[]).find((one) => one.name === name)
    t.is(record?.status, 'crashed')
  }
  const { stdout } = await cloister(['events', '--json', name])
  t.is(stdout.split('"crash"').length - 1, 1, stdout)
  return true
}

const SCENES: Readonly<Record<string, Scene>> = {
  killCommand,
  killHolderAtItsStart,
  killHolderAtWork,
  killMonitor,
  killSweeper,
  manySweepers,
}

/** One that has been started, by a command that is gone, may not have got to its name. */
async function whenAllAreOnRecord(root: string): Promise<void> {
  const marked = () => readdirSync(join(root, 'run/live')).map((marker) => Number.parseInt(marker, 10))
  while (!holdersOf(root).every(({ pid }) => marked().includes(pid))) await sleep(20)
}

async function round(t: ExecutionContext, isolation: string, seed: number): Promise<void> {
  const cloister = commandLine(t)
  // Nothing to do unless it failed.
  t.teardown(() => {
    for (const { pid } of holdersOf(cloister.root)) killNow(pid)
  })
  await cloister(['ps'])
  const names = Object.keys(SCENES).flatMap((scene) => [`${scene}.1`, `${scene}.2`])
  const kept = await Promise.all(
    names.map(async (name, at) => {
      // A sequence each: they all run at once.
      const random = seeded(seed * names.length + at)
      const keeps = await SCENES[name.split('.')[0]!]!({ t, cloister, isolation, random, name })
      return keeps ? [name] : []
    }),
  )
  await whenAllAreOnRecord(cloister.root)
  const { status, stdout, stderr } = await cloister(['ps', '-a', '--json'])
  t.is(status, 0, stderr)
  const records = JSON.parse(stdout) as { name: string; status: string }[]
  const listed = records.map(({ name }) => name)
  t.deepEqual(
    kept.flat().filter((name) => !listed.includes(name)),
    [],
    'lost',
  )
  for (const name of ['killSweeper.1', 'manySweepers.1']) {
    const found = records.find((record) => record.name === name)
    if (found) t.is(found.status, 'crashed', name)
  }
  const removal = await cloister(['rm', '-f', ...listed, 'nobody'])
  t.is(removal.status, 0, removal.stderr)
  t.deepEqual(await leftoversOf(cloister.root, names), [], 'left')
}

for (const { isolation, levelTest } of LEVELS) {
  levelTest(
    `${isolation}: SIGKILL to whatever takes part, at any moment, leaves nothing and loses nothing`,
    async (t) => {
      t.timeout(ROUNDS * ROUND_TIMEOUT_MS)
      for (let at = 0; at < ROUNDS; at++) {
        const seed = FIRST_SEED + at
        try {
          await round(t, isolation, seed)
        } catch (error) {
          t.log(`again with CLOISTER_CRASH_SEED=${seed}`)
          throw error
        }
      }
    },
  )
}
