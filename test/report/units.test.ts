import test from 'ava'
import { count, duration, figure, gib, mib, ms, times } from '../../src/report/units.ts'

test('a figure has three digits that count', (t) => {
  t.deepEqual([0.012345, 1.2345, 12.345, 123.45, 12345, 0, -2.5].map(figure), [
    '0.0123',
    '1.23',
    '12.3',
    '123',
    '12,345',
    '0',
    '-2.50',
  ])
  t.is(figure(Number.POSITIVE_INFINITY), 'none')
})

test('a time is written in the unit that leaves a readable figure', (t) => {
  t.deepEqual([12, 1500, 2_500_000, 3e9].map(duration), ['12.0 ns', '1.50 µs', '2.50 ms', '3.00 s'])
  t.deepEqual([0.0067, 295, 1200].map(ms), ['6.70 µs', '295 ms', '1.20 s'])
})

test('sizes are binary, ratios have their sign, counts are whole', (t) => {
  t.is(mib(128 * 2 ** 20), '128 MiB')
  t.is(gib(2 ** 31), '2.00 GiB')
  t.is(times(0.789), '0.789 ×')
  t.is(count(1587.4), '1,587')
})
