import test from 'ava'
import { fitLine, relativeError } from '../../src/compare/slope.ts'
import { pairwiseRatios, ratio, spread, summarize } from '../../src/compare/statistics.ts'

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
  t.deepEqual(ratio([10, 20, 40], [5, 10, 20]), { min: 2, median: 2, max: 2 })
})

test('a 95th percentile is claimed from twenty values on; below that there is a maximum only', (t) => {
  const values = Array.from({ length: 20 }, (_, index) => index + 1)
  t.deepEqual(spread(values), { count: 20, min: 1, median: 10, p95: 19, max: 20 })
  t.deepEqual(spread(values.slice(0, 19)), { count: 19, min: 1, median: 10, max: 19 })
})

test('the line through points on a line is that line, with no error', (t) => {
  const points = [1, 2, 4, 8].map((instances) => ({ instances, bytes: 100 + 7 * instances }))
  const line = fitLine(points)
  t.is(line.bytesPerInstance, 7)
  t.is(line.interceptBytes, 100)
  t.true(line.standardErrorBytes! < 1e-6)
})

test('the slope has the textbook standard error', (t) => {
  // Residuals 0.5, -1, 0.5 around 4 + 1.5 x: squares sum to 1.5, one degree of freedom, squares of x sum to 2.
  const line = fitLine([
    { instances: 1, bytes: 6 },
    { instances: 2, bytes: 6 },
    { instances: 3, bytes: 9 },
  ])
  t.is(line.bytesPerInstance, 1.5)
  t.is(line.interceptBytes, 4)
  t.is(line.standardErrorBytes, Math.sqrt(1.5 / 2))
  t.is(relativeError(line), Math.sqrt(0.75) / 1.5)
})

test('two points give a slope and no knowledge of its error', (t) => {
  const line = fitLine([
    { instances: 1, bytes: 5 },
    { instances: 2, bytes: 9 },
  ])
  t.is(line.bytesPerInstance, 4)
  t.is(line.standardErrorBytes, null)
  t.is(relativeError(line), Number.POSITIVE_INFINITY)
})

test('a slope that does not rise is known to nobody', (t) => {
  t.is(relativeError({ bytesPerInstance: -1, interceptBytes: 0, standardErrorBytes: 0.1 }), Number.POSITIVE_INFINITY)
})
