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
  schema: 'cloister.compare/2',
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
