import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Compared } from '../../src/compare/compared.ts'
import {
  ATTACKS,
  type Attack,
  type AttackNotTried,
  type Comparison,
  type NeighbourOutcome,
  type Part,
} from '../../src/compare/comparison.ts'
import { describeHost } from '../../src/compare/host-facts.ts'
import { packageRoot } from '../../src/paths.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { type Cli, type CliOptions, commandLine } from '../helpers/cli.ts'
import { containerTest, temporaryDirectory, whyNoContainers } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { ownKernelTest } from '../helpers/microvm.ts'

/** Those that start in a moment wherever they run. */
const BOTH = ['--levels', 'container,unikernel'] as const

/** Skips with what is missing. */
const bothLevelsTest = whyNoContainers === undefined ? kvmTestSerial : containerTest

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
    const { child, result } = cloister.start(['compare', '--json', '--levels', 'container', BUSYBOX, 'sleep', '60'], {
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

/** Processes of the host that have this text in their command line or environment. */
const processesWith = (text: string) =>
  readdirSync('/proc').filter(
    (pid) =>
      /^\d+$/.test(pid) && ['cmdline', 'environ'].some((file) => readIfThere(`/proc/${pid}/${file}`).includes(text)),
  )

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

const cgroupsOf = (names: Iterable<string>) => {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => (/^\S+ (\S+) cgroup2? /.exec(line) ?? []).slice(1))
  const groups = mounts.flatMap((mount) => readdirSync(mount).filter((group) => group.startsWith('cloister-')))
  return [...names].flatMap((name) => groups.filter((group) => group.startsWith(`cloister-${name}-`)))
}

/** Of each part, a moment in which it is at work, give or take. */
const LATEST_MS: Readonly<Record<Part, number>> = {
  time: 1500,
  memory: 2500,
  density: 4000,
  cost: 2500,
  isolation: 4000,
  neighbours: 6000,
}

for (const part of Object.keys(LATEST_MS) as Part[]) {
  containerTest(
    `interrupted at a random moment, ${part} leaves no process, control group, record or file`,
    async (t) => {
      const cloister = commandLine(t)
      const TMPDIR = temporaryDirectory(t)
      const args = ['compare', '--json', '--runs', '1000', '--only', part, ...BOTH, BUSYBOX, 'sleep', '0.1']
      const { child, result } = cloister.start(args, { env: { TMPDIR } })
      const live = join(cloister.root, 'run/live')
      const names = new Set<string>()
      const watch = setInterval(() => {
        if (existsSync(live)) for (const name of readdirSync(live)) names.add(name)
      }, 20)
      // Before its first instance it has nothing to leave.
      while (names.size === 0) await sleep(5)
      t.true(processesWith(cloister.root).length > 0)
      const delayMs = Math.round(Math.random() * LATEST_MS[part])
      t.log(`after ${delayMs} ms`)
      await sleep(delayMs)
      child.kill('SIGINT')
      const { status, stderr } = await result
      clearInterval(watch)
      // A part may have been over by then.
      t.true(status === 130 || status === 0, `${status} ${stderr}`)
      t.is(stderr, '')
      t.deepEqual(processesWith(cloister.root), [])
      t.deepEqual(cgroupsOf(names), [])
      t.deepEqual(readdirSync(live), [])
      t.deepEqual(readdirSync(TMPDIR), [])
      t.is((await cloister(['ps', '-a', '--json'])).stdout, '[]\n')
    },
  )
}

containerTest('a level that does not run is named with its reason, and the others are compared', async (t) => {
  const cloister = commandLine(t)
  mkdirSync(cloister.root, { mode: 0o700 })
  const words = ['compare', '--only', 'time', '--runs', '1', '--memory', '8M', '--json', ...BOTH, BUSYBOX]
  const args = [...words, 'echo', 'hi']
  const { status, stdout, stderr } = await cloister(args)
  t.is(stderr, '')
  t.is(status, 0)
  const comparison = JSON.parse(stdout) as Comparison
  t.like(comparison, { schema: 'cloister.compare/3', memoryBytes: 8 * 2 ** 20, levels: ['container'], parts: ['time'] })
  t.like(comparison.unavailable[0], { isolation: 'unikernel' })
  t.regex(
    comparison.unavailable[0]!.reason,
    /^Cannot run .*: a unikernel needs at least 16 MiB of memory\.\n.*--memory/,
  )
  const { samples, spansMs, exitCode, outputBytes } = comparison.time!.levels.container!
  t.deepEqual([exitCode, outputBytes], [0, 3])
  t.like(spansMs.whole, { count: 1 })
  t.is(spansMs.whole?.p95, undefined)
  const { ready, entered, program, firstOutput, gone } = samples[0]!.marksMs
  t.true(ready! <= entered! && entered! <= program! && program! <= firstOutput! && firstOutput! <= gone!)
  t.is(samples[0]!.marksMs.kernelReady, undefined)
  t.is(comparison.memory, undefined)
})

containerTest('a part that cannot be measured is told with its reason, and the others are kept', async (t) => {
  // Two of them fit into no host, and no attacker of that size is let loose.
  const parts = ['--only', 'time,memory,neighbours', '--runs', '1', '--memory', '1000G']
  const { status, stdout } = await commandLine(t)([
    ...['compare', '--levels', 'container', '--json', ...parts],
    ...[BUSYBOX, 'true'],
  ])
  t.is(status, 1)
  const { failed, time, memory, neighbours } = JSON.parse(stdout) as Comparison
  t.deepEqual(
    failed?.map(({ part, reason }) => `${part}: ${reason.split(/ of |:/)[0]}`),
    ['memory: Cannot start two instances', 'neighbours: Cannot let attackers loose'],
  )
  t.is(time?.runs, 1)
  t.is(memory ?? neighbours, undefined)
})

test('where no level runs, the comparison says why and ends with 125', async (t) => {
  const args = ['compare', '--levels', 'unikernel', '--runs', '1', '--memory', '8M', BUSYBOX, 'true']
  const { status, stdout } = await commandLine(t)(args)
  t.is(status, 125)
  t.regex(stdout, /^No level ran\.\nunikernel did not run: Cannot run /m)
})

bothLevelsTest(
  '--quick measures the times and what is seen from inside, with the calls that reach the host',
  async (t) => {
    const cloister = commandLine(t)
    const { status, stdout } = await cloister(['compare', '--quick', '--runs', '2', '--json', ...BOTH, BUSYBOX, 'true'])
    t.is(status, 0)
    const { time, isolation, parts } = JSON.parse(stdout) as Comparison
    t.deepEqual(parts, ['time', 'isolation'])
    const container = time!.levels.container!
    t.deepEqual(Object.keys(container.spansMs), Object.keys(container.samples[0]!.spansMs))
    t.is(time!.levels.unikernel!.ratios?.whole !== undefined, true)
    for (const { question, seen } of isolation!.findings) {
      for (const [level, { asExpected, text }] of Object.entries(seen))
        t.true(asExpected, `${level}: ${question} ${text}`)
    }
    const calls = isolation!.systemCalls
    // No process of a unikernel's program is on the host; a container's is, behind a filter that lets some through.
    t.like(calls.unikernel!.program, { allowed: 0, traced: { processes: 0, distinct: 0 } })
    const { allowed, traced } = calls.container!.program
    t.true(allowed! > 100)
    if (traced) {
      t.is(traced.processes, 1)
      t.true(traced.calls.some(({ name }) => name === 'lseek'))
      t.true(calls.unikernel!.around.traced!.calls.some(({ name }) => name === 'ioctl'))
      t.false(calls.unikernel!.around.traced!.calls.some(({ name }) => name === 'lseek'))
    }
  },
)

kvmTestSerial('a level costs memory by the instance, and the line through the points says how much', async (t) => {
  const args = ['compare', '--only', 'memory', '--levels', 'unikernel', '--json', BUSYBOX, 'true']
  const { memory } = JSON.parse((await commandLine(t)(args)).stdout) as Comparison
  const { points, further, processesPerInstance } = memory!.levels.unikernel!
  t.deepEqual(
    points.map(({ instances }) => instances),
    [1, 2, 4, 8],
  )
  t.is(processesPerInstance, 1)
  // More than the guest kernel, less than its memory.
  const { bytesPerInstance } = further.proportionalBytes
  t.true(bytesPerInstance > 2 ** 20 && bytesPerInstance < 128 * 2 ** 20, String(bytesPerInstance))
})

kvmTestSerial('what running costs is told for the host and each level, sample by sample', async (t) => {
  const args = ['compare', '--only', 'cost', '--levels', 'unikernel', '--json', BUSYBOX, 'true']
  const { cost } = JSON.parse((await commandLine(t)(args)).stdout) as Comparison
  t.deepEqual(
    cost!.workloads.map(({ name }) => name),
    ['cpu', 'syscall', 'write', 'read'],
  )
  for (const { host, levels } of cost!.workloads) {
    for (const { samplesNs, ns } of [host, levels.unikernel!]) {
      t.is(samplesNs.length, 5)
      t.true(samplesNs.every((value) => value > 0))
      t.true(ns.min <= ns.median && ns.median <= ns.max)
    }
  }
})

/** What came of each attack; all that were tried left neighbour and host alone. */
async function attacksAt(
  t: ExecutionContext,
  level: Compared,
  options: CliOptions = {},
): Promise<Map<Attack, NeighbourOutcome | AttackNotTried>> {
  const args = ['compare', '--only', 'neighbours', '--levels', level, '--json', BUSYBOX, 'true']
  const { stdout } = await commandLine(t)(args, options)
  t.false(stdout.includes(packageRoot), 'it would be handed on with the report')
  const { neighbours } = JSON.parse(stdout) as Comparison
  const outcomes = new Map(neighbours!.trials.map(({ attack, levels }) => [attack, levels[level]!] as const))
  t.deepEqual([...outcomes.keys()], [...ATTACKS])
  for (const [name, outcome] of outcomes) {
    if (!outcome.tried) continue
    t.true(outcome.survived && outcome.hostIntact, `${name}: ${outcome.seen.text}`)
    if (level !== 'microvm' || name !== 'memoryHog') t.true(outcome.attacker.endedByItself, name)
  }
  return outcomes
}

containerTest('no attack in a container takes its neighbour or the host with it', async (t) => {
  const outcomes = await attacksAt(t, 'container')
  const bomb = outcomes.get('forkBomb') as NeighbourOutcome
  // The peak is what was seen now and then, by a process that competes with all of these.
  t.regex(bomb.attacker.said, /^forked [1-9]\d{2,} times, then refused with EAGAIN$/)
  t.like(outcomes.get('memoryHog'), { attacker: { exitCode: 137 } })
  t.like(outcomes.get('kernelCrash'), { tried: false })
})

kvmTestSerial(
  'no attack in a unikernel takes its neighbour or the host with it, not even the crash of its kernel',
  async (t) => {
    const outcomes = await attacksAt(t, 'unikernel')
    t.like(outcomes.get('forkBomb'), { attacker: { said: 'forked 0 times, then refused with ENOSYS' } })
    t.like(outcomes.get('memoryHog'), { attacker: { exitCode: 3 } })
    const crash = outcomes.get('kernelCrash') as NeighbourOutcome
    t.is(crash.attacker.exitCode, 125)
    t.regex(crash.attacker.report, /its kernel gave up/)
  },
)

/** Linux boots once for each of some runs. */
const PATIENT = { hangMs: 10 * 60_000 } as const

ownKernelTest('a microVM is compared in both its ways of starting, and once in what it is inside', async (t) => {
  const args = ['compare', '--only', 'time,isolation', '--runs', '1', '--levels', 'microvm,microvm-cold', '--json']
  const { status, stdout, stderr } = await commandLine(t)([...args, BUSYBOX, 'echo', 'hi'], PATIENT)
  t.is(status, 0, stderr)
  const { time, isolation, levels } = JSON.parse(stdout) as Comparison
  t.deepEqual(levels, ['microvm', 'microvm-cold'])
  for (const level of levels) {
    const { program, firstOutput, gone } = time!.levels[level]!.samples[0]!.marksMs
    t.true(program! <= gone! && firstOutput! <= gone!)
    t.is(time!.levels[level]!.outputBytes, 3)
  }
  for (const { question, seen } of isolation!.findings) {
    t.deepEqual(Object.keys(seen), ['microvm'])
    t.true(seen.microvm!.asExpected, `${question} ${seen.microvm!.text}`)
  }
  t.like(isolation!.systemCalls.microvm!.program, { allowed: 0, traced: { processes: 0, distinct: 0 } })
})

ownKernelTest('no attack in a microVM takes its neighbour or the host with it, its kernel may fall', async (t) => {
  const outcomes = await attacksAt(t, 'microvm', PATIENT)
  t.like(outcomes.get('kernelCrash'), { attacker: { exitCode: 125 } })
})

test('--html says before anything is measured that its file cannot be written', async (t) => {
  const cloister = commandLine(t)
  const directory = temporaryDirectory(t)
  for (const [file, reason] of [
    [join(directory, 'none/report.html'), /there is no such file or directory/],
    [directory, /it is a directory/],
    ['/dev/null', /it is not a regular file/],
  ] as const) {
    const { status, stderr, stdout } = await cloister(['compare', '--html', file, BUSYBOX, 'true'])
    t.is(status, 125)
    t.is(stdout, '')
    t.regex(stderr, /^cloister: Cannot write /)
    t.regex(stderr, reason)
  }
})

containerTest('--html replaces its file by a whole page, and leaves nothing beside it', async (t) => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'report.html')
  writeFileSync(file, 'an old one')
  const args = ['compare', '--only', 'time', '--runs', '1', '--html', file, ...BOTH, BUSYBOX, 'true']
  const { status } = await commandLine(t)(args)
  t.is(status, 0)
  t.regex(readFileSync(file, 'utf8'), /^<!doctype html>[\s\S]*<\/html>\s*$/i)
  t.deepEqual(readdirSync(directory), ['report.html'])
})

kvmTestSerial(
  'options are read anywhere before "--", and what follows it is the program\'s, a "--" of its own too',
  async (t) => {
    const args = ['compare', BUSYBOX, '--only', 'time', '--json', '--', 'echo', '--json', '--', '-x']
    const { status, stdout } = await commandLine(t)([...args.slice(0, 2), '--levels=unikernel', ...args.slice(2)])
    t.is(status, 0)
    const { command, time } = JSON.parse(stdout) as Comparison
    t.deepEqual(command, [BUSYBOX, '--', 'echo', '--json', '--', '-x'])
    t.is(time!.levels.unikernel!.outputBytes, '--json -- -x\n'.length)
  },
)

test('without a source a small program of ours is compared, which says the same everywhere', async (t) => {
  const { status, stdout } = await commandLine(t)(['compare', '--only', 'time', '--runs', '2', '--json', ...BOTH])
  t.is(status, 0)
  const { command, time } = JSON.parse(stdout) as Comparison
  t.deepEqual(command, ['./rootfs/build/probe', '--', 'touch', '1'])
  t.true(time!.sameOutcome)
})

test('parts and levels that there are not are refused by name', async (t) => {
  const cloister = commandLine(t)
  const wrong = await cloister(['compare', '--only', 'time,speed', BUSYBOX, 'true'])
  t.is(wrong.status, 125)
  t.regex(wrong.stderr, /"speed"[\s\S]*time,memory,density,cost,isolation,neighbours/)
  const both = await cloister(['compare', '--quick', '--only', 'time', BUSYBOX, 'true'])
  t.is(both.status, 125)
  t.regex(both.stderr, /both --quick and --only/)
})

kvmTestSerial('without a terminal there is a line on standard error for each part, and with --json none', async (t) => {
  const args = ['compare', '--levels', 'unikernel', '--only', 'time', '--runs', '3', BUSYBOX, 'true']
  const cloister = commandLine(t)
  t.is((await cloister(args)).stderr, 'cloister: warming up\ncloister: time\ncloister: host facts\n')
  t.is((await cloister([...args.slice(0, 1), '--json', ...args.slice(1)])).stderr, '')
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
