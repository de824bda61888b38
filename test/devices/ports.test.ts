import test from 'ava'
import { createExitPort } from '../../src/devices/exit-port.ts'
import { createI8042 } from '../../src/devices/i8042.ts'
import { createPanicPort } from '../../src/devices/panic-port.ts'
import { createSleepPort } from '../../src/devices/sleep-port.ts'

const read = (device: { read(offset: number, data: Uint8Array): void }, offset = 0): number => {
  const data = new Uint8Array(1)
  device.read(offset, data)
  return data[0]!
}

test('a byte written to the exit port is the status', (t) => {
  const statuses: number[] = []
  const port = createExitPort((value) => statuses.push(value))
  port.write(0, Uint8Array.of(0))
  port.write(0, Uint8Array.of(255))
  t.deepEqual(statuses, [0, 255])
  t.is(read(port), 0)
})

test('the panic port says which event it knows, and reports that one only', (t) => {
  let panics = 0
  const port = createPanicPort(() => panics++)
  t.is(read(port), 1)
  port.write(0, Uint8Array.of(2))
  t.is(panics, 0)
  port.write(0, Uint8Array.of(1))
  t.is(panics, 1)
})

const DATA = 0
const COMMAND = 4

test('command 0xfe of the keyboard controller resets the machine', (t) => {
  let resets = 0
  const controller = createI8042(() => resets++)
  controller.write(DATA, Uint8Array.of(0xfe))
  t.is(resets, 0)
  controller.write(COMMAND, Uint8Array.of(0xfe))
  t.is(resets, 1)
})

test('so does an output port with the reset line low', (t) => {
  let resets = 0
  const controller = createI8042(() => resets++)
  controller.write(COMMAND, Uint8Array.of(0xd1))
  controller.write(DATA, Uint8Array.of(0xdf))
  t.is(resets, 0)
  controller.write(COMMAND, Uint8Array.of(0xd1))
  controller.write(DATA, Uint8Array.of(0xde))
  t.is(resets, 1)
})

test('the controller is idle, answers the self-test and keeps its control byte', (t) => {
  const controller = createI8042(() => t.fail())
  t.is(read(controller, COMMAND), 0x14)
  controller.write(COMMAND, Uint8Array.of(0xaa))
  t.is(read(controller, COMMAND), 0x15)
  t.is(read(controller, DATA), 0x55)
  t.is(read(controller, COMMAND), 0x14)
  controller.write(COMMAND, Uint8Array.of(0x60))
  controller.write(DATA, Uint8Array.of(0x47))
  controller.write(COMMAND, Uint8Array.of(0x20))
  t.is(read(controller, DATA), 0x47)
  t.is(read(controller, DATA), 0)
})

test('every command and data byte is survived, and ports between the two are nobody', (t) => {
  const controller = createI8042(() => {})
  for (let value = 0; value < 0x100; value++) {
    controller.write(COMMAND, Uint8Array.of(value))
    controller.write(DATA, Uint8Array.of(value ^ 0x5a))
    controller.write(1, Uint8Array.of(value))
    t.true([0x14, 0x15].includes(read(controller, COMMAND)))
  }
  t.is(read(controller, 1), 0xff)
})

test('the controller goes on from its saved state', (t) => {
  const controller = createI8042(() => {})
  controller.write(COMMAND, Uint8Array.of(0xaa))
  const state = JSON.parse(JSON.stringify(controller.save()))
  const other = createI8042(() => {})
  other.restore(state)
  t.deepEqual(other.save(), state)
  t.is(read(other, DATA), 0x55)
  t.throws(() => other.restore({ control: 256, answer: 0, awaiting: 0 }), { name: 'HostError' })
})

test('the sleep port switches off at the sleep type that means off, and at no other write (ACPI 6.5 §4.8.3.7)', (t) => {
  let offs = 0
  const port = createSleepPort(5, () => offs++)
  const [SLP_EN, STATUS] = [1 << 5, 1]
  port.write(0, Uint8Array.of(5 << 2))
  port.write(0, Uint8Array.of(SLP_EN | (3 << 2)))
  port.write(STATUS, Uint8Array.of(SLP_EN | (5 << 2)))
  t.is(offs, 0)
  port.write(0, Uint8Array.of(SLP_EN | (5 << 2)))
  t.is(offs, 1)
  t.is(read(port), 0)
  t.is(read(port, STATUS), 0)
})
