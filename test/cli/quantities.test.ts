import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { formatSize, parseDurationMs, parseSize, parseWhole } from '../../src/cli/quantities.ts'
import { formatDurationMs } from '../../src/duration.ts'
import { UsageError } from '../../src/errors.ts'

const refuses = (t: ExecutionContext, read: () => unknown): void => {
  t.throws(read, { instanceOf: UsageError })
}

test('sizes: K, M and G are binary, in either case; a bare number is bytes', (t) => {
  t.is(parseSize('128M'), 128 * 2 ** 20)
  t.is(parseSize('128m'), 128 * 2 ** 20)
  t.is(parseSize('1.5G'), 1.5 * 2 ** 30)
  t.is(parseSize('64k'), 65536)
  t.is(parseSize('4096'), 4096)
})

test('sizes: what is no number, has another unit or is too large for exact arithmetic is refused', (t) => {
  for (const text of [
    '',
    'M',
    '-1M',
    '1e9',
    '0x10',
    '1 M',
    '1MM',
    '1P',
    'NaN',
    'Infinity',
    '9999999999999G',
    '1.M',
    ' 1',
  ]) {
    refuses(t, () => parseSize(text))
  }
})

test('durations: ms, s, m and h; a bare number is seconds', (t) => {
  t.is(parseDurationMs('500ms'), 500)
  t.is(parseDurationMs('2s'), 2000)
  t.is(parseDurationMs('2'), 2000)
  t.is(parseDurationMs('1.5m'), 90_000)
  t.is(parseDurationMs('1h'), 3_600_000)
})

test('durations: none at all, and more than a timer can hold, are refused', (t) => {
  for (const text of ['', '0', '0ms', '-1s', '1d', 's', '25000h', '99999999999999999999', '1e3']) {
    refuses(t, () => parseDurationMs(text))
  }
})

test('whatever is typed, a size or duration is an exact, bounded number or a UsageError', (t) => {
  const typed = fc.oneof(fc.string(), fc.stringMatching(/^\d{0,18}\.?\d{0,8}[a-zA-Z]{0,3}$/))
  fc.assert(
    fc.property(typed, (text) => {
      for (const read of [parseSize, parseDurationMs]) {
        try {
          const value = read(text)
          if (!Number.isSafeInteger(value) || value < 0) return false
        } catch (error) {
          if (!(error instanceof UsageError)) return false
        }
      }
      return true
    }),
  )
  t.pass()
})

test('a size that was written is read back the same', (t) => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => parseSize(formatSize(bytes)) === bytes))
  t.is(formatSize(128 * 2 ** 20), '128M')
  t.is(formatSize(4097), '4097')
})

test('whole numbers keep their bounds', (t) => {
  const bounds = { what: 'the number of runs', min: 1, max: 10 }
  t.is(parseWhole('10', bounds), 10)
  for (const text of ['0', '11', '1.5', '-1', '', '0x1', '99999999999']) refuses(t, () => parseWhole(text, bounds))
})

test('durations in sentences', (t) => {
  t.is(formatDurationMs(500), '500 ms')
  t.is(formatDurationMs(2000), '2 s')
  t.is(formatDurationMs(1500), '1.5 s')
})
