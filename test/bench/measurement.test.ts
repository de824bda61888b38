import test from 'ava'
import { measurement, measurements, type Question } from '../../src/bench/measurement.ts'
import type { Taken } from '../../src/bench/rounds.ts'

const TOTAL: Question = { id: 'total', title: 'All of it', unit: 'ms' }
const who = (name: string) => ({ name, kind: 'peer', what: name }) as const

test('ratios are taken pair by pair: round n of one with round n of the reference', (t) => {
  const { rows, reference } = measurement(
    TOTAL,
    [
      { contender: 'ours', samples: [10, 40, 90] },
      { contender: 'theirs', samples: [10, 20, 30] },
    ],
    'theirs',
  )
  t.is(reference, 'theirs')
  t.deepEqual(rows[0]!.ratio, { count: 3, min: 1, median: 2, max: 3 })
  t.is(rows[1]!.ratio, undefined)
})

test('without its reference a measurement has no ratios, and says so', (t) => {
  const { rows, reference } = measurement(TOTAL, [{ contender: 'ours', samples: [1] }], 'theirs')
  t.is(reference, null)
  t.deepEqual(rows, [{ contender: 'ours', samples: [1], summary: { count: 1, min: 1, median: 1, max: 1 } }])
})

test('a 95th percentile is given from twenty samples on', (t) => {
  const rowOf = (count: number) =>
    measurement(TOTAL, [{ contender: 'a', samples: Array.from({ length: count }, (_, at) => at) }], 'a').rows[0]!
  t.is(rowOf(19).summary.p95, undefined)
  t.is(rowOf(20).summary.p95, 18)
})

test('nothing is divided by a sample that is not above zero', (t) => {
  const rows = [
    { contender: 'noisy', samples: [-1, 2] },
    { contender: 'base', samples: [1, 1] },
  ]
  t.is(measurement(TOTAL, rows, 'base').rows[0]!.ratio, undefined)
  t.is(measurement(TOTAL, rows, 'noisy').rows[1]!.ratio, undefined)
})

test('a contender that did not see a moment in every round has no row for it, and an unanswered question is left out', (t) => {
  const taken: Taken[] = [
    {
      contender: who('sees'),
      values: [
        { total: 1, seen: 2 },
        { total: 3, seen: 4 },
      ],
    },
    { contender: who('misses'), values: [{ total: 5, seen: 6 }, { total: 7 }] },
  ]
  const questions = [TOTAL, { ...TOTAL, id: 'seen' }, { ...TOTAL, id: 'unseen' }]
  t.deepEqual(
    measurements(questions, taken, 'sees').map(({ id, rows }) => [id, rows.map(({ contender }) => contender)]),
    [
      ['total', ['sees', 'misses']],
      ['seen', ['sees']],
    ],
  )
})
