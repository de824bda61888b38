import test from 'ava'
import { createAttemptLimit } from '../../src/backends/attempt-limit.ts'

const at = { ms: 0 }
const tries = (mayTry: () => boolean, count: number) => Array.from({ length: count }, mayTry).filter(Boolean).length

test('so many may try at once, then so many a second, and never more at once than at first', (t) => {
  const mayTry = createAttemptLimit(10, 5, () => at.ms)
  t.is(tries(mayTry, 20), 5)
  at.ms += 99
  t.is(tries(mayTry, 20), 0)
  at.ms += 1
  t.is(tries(mayTry, 20), 1)
  at.ms += 200
  t.is(tries(mayTry, 20), 2)
  at.ms += 3_600_000
  t.is(tries(mayTry, 20), 5)
})
