import test from 'ava'
import { MMIO_REGISTERS } from '../../src/virtio/registers.ts'
import { STATUS, STATUS_STEPS, statusStep } from '../../src/virtio/status.ts'

const { ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, DEVICE_NEEDS_RESET, FAILED } = STATUS

test('the driver sets ACKNOWLEDGE, DRIVER, FEATURES_OK and DRIVER_OK in this order (§3.1.1)', (t) => {
  t.is(statusStep(0, ACKNOWLEDGE), 'acknowledge')
  t.is(statusStep(1, ACKNOWLEDGE | DRIVER), 'driver')
  t.is(statusStep(3, ACKNOWLEDGE | DRIVER | FEATURES_OK), 'featuresOk')
  t.is(statusStep(11, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK), 'driverOk')
})

test('a status that skips a bit, goes back or clears one is illegal (hostile input, class 3)', (t) => {
  t.is(statusStep(0, ACKNOWLEDGE | DRIVER), 'illegal')
  t.is(statusStep(0, DRIVER), 'illegal')
  t.is(statusStep(3, 15), 'illegal')
  t.is(statusStep(15, 11), 'illegal')
  t.is(statusStep(11, 3), 'illegal')
  t.is(statusStep(1, 1 | 0x10), 'illegal')
})

test('FAILED may be added at any time, and 0 always resets', (t) => {
  for (const { from } of STATUS_STEPS) {
    t.is(statusStep(from, from | FAILED), 'failed')
    t.is(statusStep(from, 0), 'reset')
  }
})

test('DEVICE_NEEDS_RESET belongs to the device: a driver that writes it back changes nothing', (t) => {
  t.is(statusStep(15 | DEVICE_NEEDS_RESET, 15 | DEVICE_NEEDS_RESET), 'same')
  t.is(statusStep(15 | DEVICE_NEEDS_RESET, 15), 'same')
  t.is(statusStep(15, 15 | DEVICE_NEEDS_RESET), 'same')
  t.is(statusStep(11 | DEVICE_NEEDS_RESET, 15 | DEVICE_NEEDS_RESET), 'driverOk')
})

test('only the four steps of the table lead upwards, for every pair of bytes', (t) => {
  const legal = new Set<string>()
  for (let current = 0; current < 0x100; current++)
    for (let written = 0; written < 0x100; written++)
      if (STATUS_STEPS.some(({ name }) => name === statusStep(current, written)))
        legal.add(`${current & ~DEVICE_NEEDS_RESET} ${written & ~DEVICE_NEEDS_RESET}`)
  t.deepEqual([...legal], ['0 1', '1 3', '3 11', '11 15'])
})

test('every register has its own aligned offset below the configuration space (§4.2.2)', (t) => {
  const offsets = MMIO_REGISTERS.map(({ offset }) => offset)
  t.is(new Set(offsets).size, offsets.length)
  t.true(offsets.every((offset) => offset % 4 === 0 && offset < 0x100))
})
