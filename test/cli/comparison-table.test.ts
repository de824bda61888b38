import test from 'ava'
import { presentComparison } from '../../src/cli/comparison-table.ts'
import type { Comparison, NeighbourOutcome, TimeComparison, TimeOfLevel } from '../../src/compare/comparison.ts'
import { describeHost } from '../../src/compare/host-facts.ts'

const time = { count: 1, min: 1, median: 2, max: 3 }

const level = (changes: Partial<TimeOfLevel> = {}): TimeOfLevel => ({
  samples: [],
  spansMs: { requestToReady: time, whole: time },
  exitCode: 0,
  outputBytes: 3,
  outputDigest: 'd',
  ...changes,
})

const times = (changes: Partial<TimeComparison> = {}): TimeComparison => ({
  runs: 1,
  levels: { container: level() },
  sameOutcome: true,
  ...changes,
})

const comparison = (changes: Partial<Comparison>): Comparison => ({
  schema: 'cloister.compare/3',
  startedAt: '2026-01-01T00:00:00.000Z',
  tookMs: 61_234,
  host: describeHost([]),
  command: ['/bin/busybox', 'true'],
  memoryBytes: 128 * 2 ** 20,
  parts: ['time'],
  levels: ['container'],
  unavailable: [],
  ...changes,
})

test('with fewer than twenty runs the largest time is called the largest', (t) => {
  const table = presentComparison(comparison({ time: times() }))
  t.regex(table, /^\/bin\/busybox true {3}\(instances of 128M; measured in 61\.2 s\)$/m)
  t.regex(table, /^TIME, ms: min \/ median \/ max \(1 run\) /m)
  t.regex(table, /^request to everything gone +1\.0 \/ 2\.0 \/ 3\.0$/m)
  const many = level({ spansMs: { whole: { ...time, count: 20, p95: 2.5 } } })
  const twenty = presentComparison(comparison({ time: times({ runs: 20, levels: { container: many } }) }))
  t.regex(twenty, /min \/ median \/ p95 \(20 runs, interleaved\)/)
  t.regex(twenty, /1\.0 \/ 2\.0 \/ 2\.5$/m)
})

test('a span whose ends were not seen says so, and is not zero', (t) => {
  t.regex(presentComparison(comparison({ time: times() })), /^to everything gone +not seen$/m)
})

test('parts that were not asked for have no table', (t) => {
  const table = presentComparison(comparison({ time: times() }))
  t.notRegex(table, /MEMORY|DENSITY|RUN COST|ISOLATION|NEIGHBOUR/)
  t.notRegex(presentComparison(comparison({})), /TIME/)
})

test('a part that could not be measured is told with its reason', (t) => {
  const table = presentComparison(comparison({ failed: [{ part: 'cost', reason: 'it would not.' }] }))
  t.regex(table, /^cost could not be measured: it would not\.$/m)
})

test('levels that disagree are shown with how each of them ended, and what it said', (t) => {
  const unikernel = level({ exitCode: 125, outputBytes: 0, errors: 'It died:\n  why' })
  const table = presentComparison(
    comparison({
      levels: ['container', 'unikernel'],
      time: times({ levels: { container: level(), unikernel }, sameOutcome: false }),
    }),
  )
  t.regex(table, /^The levels disagree/m)
  t.regex(
    table,
    /^ {2}container: 3 bytes, status 0\n {2}unikernel: 0 bytes, status 125\nunikernel said: It died:\n {2}why$/m,
  )
})

test('what could not be traced is told with its reason, once', (t) => {
  const party = { allowed: null, policy: 'no filter', traced: null, notTracedBecause: 'strace is missing' }
  const isolation = { findings: [], systemCalls: { container: { program: party, around: party } } }
  const table = presentComparison(comparison({ isolation }))
  t.regex(table, /^ {2}of which it made under load +not traced$/m)
  t.is(table.match(/Not traced: strace is missing\./g)?.length, 1)
})

const outcome: NeighbourOutcome = {
  tried: true,
  samples: [],
  attackFromMs: 0,
  attackToMs: 1,
  rate: { before: 200, during: 100, after: 190 },
  survived: true,
  hostIntact: false,
  peak: { processes: 3, proportionalBytes: 5 },
  attacker: { exitCode: 0, endedByItself: true, said: `did ${'very '.repeat(40)}much`, report: '' },
  expected: 'nothing bad',
  seen: { text: 'words', asExpected: false },
}

test('a neighbour is shown by its rate, and an attack that was not tried by the reason', (t) => {
  const trial = { attack: 'kernelCrash', does: 'crashes', levels: { container: outcome } } as const
  const table = presentComparison(comparison({ neighbours: { trials: [trial] } }))
  t.regex(table, /^kernel crash +container +50 % \/ 95 % +HURT +✗ 0: did very/m)
  const notTried = { ...trial, levels: { container: { tried: false, reason: 'for good reason' } } } as const
  const other = presentComparison(comparison({ neighbours: { trials: [notTried] } }))
  t.regex(other, /^kernel crash +container +not tried +for good reason$/m)
})

test('no line is longer than a hundred columns, however much an attacker says', (t) => {
  const trial = { attack: 'memoryHog', does: 'takes', levels: { container: outcome, unikernel: outcome } } as const
  const table = presentComparison(comparison({ levels: ['container', 'unikernel'], neighbours: { trials: [trial] } }))
  for (const line of table.split('\n')) t.true(line.length <= 100, line)
})

const FOUR = ['container', 'unikernel', 'microvm', 'microvm-cold'] as const

/** The same for each of them. */
const forAll = <L extends string, T>(names: readonly L[], value: T) =>
  Object.fromEntries(names.map((name) => [name, value])) as Record<L, T>

/** With figures as long as they get. */
function fourLevels(): Comparison {
  const inside = FOUR.slice(0, 3)
  const slow = { count: 5, min: 23_456.7, median: 34_567.8, max: 45_678.9 }
  const slope = { bytesPerInstance: 99.5 * 2 ** 20, interceptBytes: 0, standardErrorBytes: 2 ** 19 }
  const points = [1, 2, 4].map((instances) => ({
    ...{ instances, privateBytes: 1, proportionalBytes: 1, hostBytes: 1, processes: instances },
  }))
  const party = { allowed: null, policy: 'no filter on 2 of 3', traced: null }
  const times = level({ spansMs: { requestToReady: slow, whole: slow }, samples: new Array(5).fill({}) })
  const ratios = { whole: { min: 99.1, median: 99.2, max: 99.3 } }
  return comparison({
    levels: FOUR,
    time: {
      runs: 5,
      sameOutcome: true,
      levels: {
        ...forAll(FOUR, { ...times, ratios }),
        'microvm-cold': { ...times, ratios, samples: new Array(3).fill({}) },
      },
    },
    memory: {
      hostNoiseBytes: 2 ** 23,
      levels: forAll(FOUR, {
        ...{ points, processesPerInstance: 2 },
        further: { privateBytes: slope, proportionalBytes: slope, hostBytes: slope },
      }),
    },
    density: {
      ...{ availableBytes: 2 ** 36, reserveBytes: 2 ** 33 },
      levels: forAll(inside, {
        ...({ points, measured: 48, stoppedBy: 'memory', basis: 'proportional', slope } as const),
        ...{ fits: 1234, fitsLow: 1200, fitsHigh: 1300 },
      }),
    },
    cost: {
      workloads: [
        {
          ...({ name: 'cpu', operation: 'computes', sampleMs: 40, host: { samplesNs: [1], ns: slow } } as const),
          levels: forAll(inside, { samplesNs: [1], ns: slow, ratio: ratios.whole }),
        },
      ],
    },
    isolation: {
      findings: [
        {
          question: 'processes in sight besides its own',
          expected: { container: 'few', unikernel: 'none', microvm: 'its own' },
          seen: forAll(inside, { text: 'own, 6.1.170-cloister', asExpected: true }),
        },
      ],
      systemCalls: forAll(inside, { program: party, around: party }),
    },
  })
}

test('with four levels no line is longer than a hundred columns', (t) => {
  for (const line of presentComparison(fourLevels()).split('\n')) t.true(line.length <= 100, line)
})

test('a level that was run fewer times says how often', (t) => {
  t.regex(presentComparison(fourLevels()), /^runs, fewer where one takes long +5 +5 +5 +3$/m)
  t.notRegex(
    presentComparison(comparison({ time: times({ levels: { container: level({ samples: [{}] as never }) } }) })),
    /fewer/,
  )
})

test('a microVM has a column for each way of starting where they differ, and one where they do not', (t) => {
  const tables = presentComparison(fourLevels()).split('\n\n')
  const head = (name: string) => tables.find((table) => table.startsWith(name))!.split('\n')[0]!
  for (const name of ['TIME', 'MEMORY']) t.regex(head(name), /microvm \(warm\) +microvm \(cold\)$/)
  for (const name of ['DENSITY', 'RUN COST', 'ISOLATION']) t.regex(head(name), /unikernel +microvm \(warm\)$/)
})
