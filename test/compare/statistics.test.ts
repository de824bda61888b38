import test from 'ava'
import { asTime } from '../../src/compare/compare.ts'
import { pairwiseRatios, summarize } from '../../src/compare/statistics.ts'

test('a summary names values that were measured', (t) => {
  t.deepEqual(summarize([5, 1, 3, 2, 4]), { count: 5, min: 1, median: 3, p95: 5, max: 5 })
  t.deepEqual(summarize([7]), { count: 1, min: 7, median: 7, p95: 7, max: 7 })
  t.is(summarize([1, 2, 3, 4]).median, 2)
})

test('the 95th percentile of a hundred values is the ninety-fifth', (t) => {
  t.is(summarize(Array.from({ length: 100 }, (_, index) => index + 1)).p95, 95)
})

test('ratios are taken pair by pair, so a drift under both cancels', (t) => {
  t.deepEqual(pairwiseRatios([10, 20, 40], [5, 10, 20]), { count: 3, min: 2, median: 2, p95: 2, max: 2 })
})

test('a 95th percentile is claimed from twenty runs on; below that there is a maximum only', (t) => {
  const values = Array.from({ length: 20 }, (_, index) => index + 1)
  t.deepEqual(asTime(summarize(values)), { count: 20, minMs: 1, medianMs: 10, p95Ms: 19, maxMs: 20 })
  t.deepEqual(asTime(summarize(values.slice(0, 19))), { count: 19, minMs: 1, medianMs: 10, maxMs: 19 })
})
