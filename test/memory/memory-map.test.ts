import test from 'ava'
import { GIB, MIB, MMIO_HOLE_END, MMIO_HOLE_START, ramLayout } from '../../src/memory/memory-map.ts'

test('a small guest has one stretch of RAM from address zero', (t) => {
  t.deepEqual(ramLayout(128 * MIB), [{ gpa: 0, size: 128 * MIB }])
})

test('RAM leaves the hole below 4 GiB free and goes on above it', (t) => {
  const layout = ramLayout(5 * GIB)
  t.is(
    layout.reduce((sum, { size }) => sum + size, 0),
    5 * GIB,
  )
  for (const { gpa, size } of layout) t.true(gpa + size <= MMIO_HOLE_START || gpa >= MMIO_HOLE_END)
})

test('RAM is one stretch below the hole and one above it, however large', (t) => {
  t.deepEqual(ramLayout(MMIO_HOLE_START), [{ gpa: 0, size: MMIO_HOLE_START }])
  t.deepEqual(ramLayout(40 * GIB), [
    { gpa: 0, size: MMIO_HOLE_START },
    { gpa: MMIO_HOLE_END, size: 37 * GIB },
  ])
})
