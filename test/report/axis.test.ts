import test from 'ava'
import fc from 'fast-check'
import { scaleFor } from '../../src/report/axis.ts'

const finite = fc.double({ min: -1e12, max: 1e12, noNaN: true })
const positive = fc.double({ min: 1e-6, max: 1e12, noNaN: true })

test('every value has its place on the axis, whatever the values are', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(finite, positive), { minLength: 1, maxLength: 20 }), (values) => {
      const { min, max, ticks, log } = scaleFor(values)
      const slack = (max - min) * 1e-6
      t.true(values.every((value) => value >= min - slack && value <= max + slack))
      t.true(max > min)
      t.true(ticks.every((tick) => Number.isFinite(tick) && tick >= min - slack && tick <= max + slack))
      t.true(ticks.length <= 40)
      if (log) t.true(min > 0)
      else t.true(min <= 0 && max >= 0)
    }),
  )
})

test('an axis is logarithmic where the largest value is many times the smallest, and all are above zero', (t) => {
  t.true(scaleFor([1, 100]).log)
  t.false(scaleFor([50, 100]).log)
  t.false(scaleFor([0, 100]).log)
  t.false(scaleFor([-1, 100]).log)
  t.false(scaleFor([1, 100], { log: false }).log)
})

test('ticks are round figures', (t) => {
  t.deepEqual(scaleFor([174], { most: 8 }).ticks, [0, 50, 100, 150, 200])
  t.deepEqual(scaleFor([10, 300], { most: 8 }).ticks, [10, 20, 50, 100, 200])
  t.deepEqual(scaleFor([-3, 4], { most: 8 }).ticks, [-3, -2, -1, 0, 1, 2, 3, 4])
  t.deepEqual(scaleFor([]).ticks, [0, 1])
  t.deepEqual(scaleFor([0, 0]).ticks, [0, 1])
})
