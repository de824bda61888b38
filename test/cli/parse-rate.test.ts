import test from 'ava'
import fc from 'fast-check'
import { splitRate } from '../../src/cli/parse-rate.ts'
import { UsageError } from '../../src/errors.ts'

test('rates stand at the end of a value, in any order', (t) => {
  t.deepEqual(splitRate('d.img'), { rest: 'd.img' })
  t.deepEqual(splitRate('d.img:bps=10M'), { rest: 'd.img', rate: { bytesPerSecond: 10 * 2 ** 20 } })
  t.deepEqual(splitRate('d.img:ro:iops=1K:bps=1'), {
    rest: 'd.img:ro',
    rate: { bytesPerSecond: 1, operationsPerSecond: 1024 },
  })
  t.deepEqual(splitRate('tap:t0:iops=5'), { rest: 'tap:t0', rate: { operationsPerSecond: 5 } })
})

test('a colon alone makes no rate', (t) => {
  for (const text of ['a:b', 'a:bps', 'bps=1', 'a:bps=1:ro', 'a:mbps=1', ''])
    t.deepEqual(splitRate(text), { rest: text })
})

test('a rate of nothing, one that is no number and one said twice are refused', (t) => {
  for (const rate of [
    'bps=',
    'bps=0',
    'bps=-1',
    'iops=x',
    'iops=1e3',
    'bps=10MB/s',
    'bps=99999999999999999',
    'bps=0.1',
  ])
    t.throws(() => splitRate(`d.img:${rate}`), { instanceOf: UsageError, message: /as a rate/ })
  t.throws(() => splitRate('d.img:bps=1:bps=2'), { instanceOf: UsageError, message: /bps twice/ })
})

test('whatever is typed, the rest is a beginning of it and rates are positive whole numbers', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(':', 'bps=', 'iops=', '7', 'M', '\n'), fc.string())), (parts) => {
      const text = parts.join('')
      try {
        const { rest, rate = {} } = splitRate(text)
        return text.startsWith(rest) && Object.values(rate).every((value) => Number.isSafeInteger(value) && value > 0)
      } catch (error) {
        return error instanceof UsageError
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
