/** A transport that is saved, and goes on in another one. */
import test from 'ava'
import { HostError } from '../../src/errors.ts'
import { INTERRUPT_USED_BUFFER } from '../../src/virtio/interrupt-line.ts'
import type { JsonObject } from '../../src/virtio/saved-state.ts'
import { ACKNOWLEDGE, ALL_RING_FEATURES, DRIVER, DRIVER_OK, MmioDriver, READY } from '../helpers/mmio-driver.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'
import { probeDriver, startedProbe } from '../helpers/probe-driver.ts'

const DATA = 0x8000

test('state saved in mid-flight goes on in another transport: chains taken come again, in order', (t) => {
  const { probe, driver, queue } = startedProbe({ queueCount: 2, features: 1n | ALL_RING_FEATURES })
  const heads = [1, 2, 3].map((length) => queue.post({ gpa: DATA, length, write: true }))
  driver.kick(0)
  probe.chains[1]!.complete(2)
  const later = queue.post({ gpa: DATA, length: 4, write: true })
  const state = JSON.parse(JSON.stringify(driver.transport.save()))

  const copy = createProbeDevice({ queueCount: 2, features: 1n })
  const second = new MmioDriver(copy, driver.guarded)
  second.transport.restore(state)
  t.deepEqual(second.transport.save(), { ...state, configGeneration: state.configGeneration + 1 })
  second.settle()
  t.deepEqual(
    copy.chains.map(({ writableBytes }) => writableBytes),
    [1, 3, 4],
  )
  t.is(copy.host?.features, 1n | ALL_RING_FEATURES)
  t.is(second.status, READY)
  for (const chain of copy.chains) chain.complete(1)
  t.deepEqual(
    queue.takeUsed().map(({ id }) => id),
    [heads[1], heads[0], heads[2], later],
  )
})

test('a saved state that was altered is refused with the field that is wrong (class 32)', (t) => {
  const { driver } = startedProbe()
  const state = driver.transport.save()
  for (const [field, value] of [
    ['device', 'net'],
    ['status', 256],
    ['status', '15'],
    ['driverFeatures', '0xzz'],
    ['queues', [{}, {}]],
    ['queues', 7],
    ['interruptStatus', -1],
  ] as const) {
    const { driver: other } = probeDriver()
    const error = t.throws(() => other.transport.restore({ ...state, [field]: value }), { instanceOf: HostError })
    t.regex(error.message, new RegExp(field === 'device' ? 'state of net' : field))
  }
})

test('features that this device does not offer are refused, though the saved driver had them (class 32)', (t) => {
  const { driver } = startedProbe({ features: 3n | ALL_RING_FEATURES })
  const { driver: other, probe } = probeDriver({ features: 1n })
  const error = t.throws(() => other.transport.restore(driver.transport.save()), { instanceOf: HostError })
  t.regex(error.message, /features/)
  t.false(probe.calls.includes('activate'))
  t.is(other.status, 0)
})

test('a driver that was still choosing features may have chosen what it liked', (t) => {
  const { driver } = probeDriver({ features: 3n })
  for (const status of [ACKNOWLEDGE, ACKNOWLEDGE | DRIVER]) driver.write('Status', status)
  driver.write('DriverFeatures', 2)
  const { driver: other } = probeDriver({ features: 1n })
  other.transport.restore(driver.transport.save())
  t.is(other.status, ACKNOWLEDGE | DRIVER)
})

test('a saved queue whose rings are not RAM here is refused (class 32)', (t) => {
  const { driver } = startedProbe()
  const state = driver.transport.save()
  const queue = { ...(state.queues as JsonObject[])[0], used: '0xfffffffffffffff0' }
  const { driver: other } = probeDriver()
  t.throws(() => other.transport.restore({ ...state, queues: [queue] }), { instanceOf: HostError })
})

test('only DRIVER_OK and no mistake since make a restored device active', (t) => {
  const { driver } = probeDriver()
  driver.write('Status', ACKNOWLEDGE)
  driver.write('Status', ACKNOWLEDGE | DRIVER)
  const { probe, driver: other } = probeDriver()
  other.transport.restore(driver.transport.save())
  t.is(other.status, ACKNOWLEDGE | DRIVER)
  t.false(probe.calls.includes('activate'))
  t.is(other.status & DRIVER_OK, 0)
})

test('an interrupt that was not acknowledged when it was saved comes again, and no other', (t) => {
  const { probe, driver, queue } = startedProbe()
  queue.post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  probe.chains[0]!.complete(4)
  const unheard = probeDriver()
  unheard.driver.transport.restore(driver.transport.save())
  t.is(unheard.driver.interrupts, 1)
  driver.write('InterruptACK', INTERRUPT_USED_BUFFER)
  const heard = probeDriver()
  heard.driver.transport.restore(driver.transport.save())
  t.is(heard.driver.interrupts, 0)
})

test('an acknowledgement that was kept back does not take away the bit of a later interrupt', (t) => {
  const { probe, driver, queue } = startedProbe()
  queue.post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  driver.writeKeptBack('InterruptACK', INTERRUPT_USED_BUFFER)
  probe.chains[0]!.complete(4)
  t.is(driver.interrupts, 1)
  t.is(driver.read('InterruptStatus'), INTERRUPT_USED_BUFFER)
})

test('a saved device has heard of every write that was kept back', (t) => {
  const { probe, driver, queue } = startedProbe()
  queue.post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  probe.chains[0]!.complete(4)
  driver.writeKeptBack('InterruptACK', INTERRUPT_USED_BUFFER)
  t.is(driver.transport.save().interruptStatus, 0)
})
