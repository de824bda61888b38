import test from 'ava'
import fc from 'fast-check'
import { parseSignal } from '../../src/cli/commands/kill.ts'
import { parseMoment } from '../../src/cli/quantities.ts'
import { UsageError } from '../../src/errors.ts'

test('a signal is known by its name, in any case, with or without SIG, and by its number', (t) => {
  for (const asked of ['TERM', 'term', 'SIGTERM', 'sigTerm', '15']) t.is(parseSignal(asked), 15)
  for (let signo = 1; signo <= 64; signo++) t.is(parseSignal(String(signo)), signo)
})

test('what is no signal is refused, whatever it is', (t) => {
  for (const asked of [
    '',
    '0',
    '65',
    '-9',
    '1.5',
    '0x9',
    ' 9',
    '9 ',
    'SIG',
    'SIGSIGTERM',
    '__proto__',
    'constructor',
  ]) {
    t.throws(() => parseSignal(asked), { instanceOf: UsageError, message: /^Cannot send the signal/ }, asked)
  }
  fc.assert(
    fc.property(fc.string(), (asked) => {
      try {
        const signo = parseSignal(asked)
        return Number.isInteger(signo) && signo >= 1 && signo <= 64
      } catch (error) {
        return error instanceof UsageError
      }
    }),
  )
})

const NOW = Date.parse('2026-11-22T08:00:00Z')

test('a moment is so long ago, or a date', (t) => {
  t.is(parseMoment('10m', NOW).toISOString(), '2026-11-22T07:50:00.000Z')
  t.is(parseMoment('1.5', NOW).getTime(), NOW - 1500)
  t.is(parseMoment('0s', NOW).getTime(), NOW)
  t.is(parseMoment('1000h', NOW).toISOString(), '2026-10-11T16:00:00.000Z')
  t.is(parseMoment('2026-11-22', NOW).toISOString(), '2026-11-22T00:00:00.000Z')
  t.is(parseMoment('2026-11-22T08:00:00+02:00', NOW).toISOString(), '2026-11-22T06:00:00.000Z')
})

test('what is no moment is refused as one, and what is one can be written down', (t) => {
  for (const asked of [
    '',
    'now',
    'yesterday',
    '10 m',
    '-1h',
    '2026-13-01',
    '2026-11-22 (noon)',
    '12:00',
    '999999999999h',
  ]) {
    t.throws(() => parseMoment(asked, NOW), { instanceOf: UsageError, message: /^Cannot read ".*" as a moment/ }, asked)
  }
  const digits = fc.stringMatching(/^\d{1,4}-\d\d-\d\d[T ]?[\d:Z.+-]{0,12}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string(), digits, fc.stringMatching(/^\d{1,13}(\.\d+)?(ms|s|m|h)?$/)), (asked) => {
      try {
        return parseMoment(asked, NOW).toISOString() !== ''
      } catch (error) {
        return error instanceof UsageError && error.message.includes('as a moment')
      }
    }),
    { numRuns: 1000 },
  )
})
