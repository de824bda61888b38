/** A device while its machine stands still: whatever asks it to work, it waits. */
import test from 'ava'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'

const DATA = 0x8000

function start() {
  const probe = createProbeDevice()
  const driver = new MmioDriver(probe)
  driver.start({ features: ALL_RING_FEATURES })
  const settle = () => {
    for (const task of driver.deferred.splice(0)) task()
  }
  return { probe, driver, queue: driver.queue(0), settle }
}

test('a device that is held takes no chain: not for a kick, not for its backend, not for a turn put off before', (t) => {
  const { probe, driver, queue, settle } = start()
  driver.transport.hold()
  queue.post({ gpa: DATA, length: 8, write: true })
  driver.transport.notify(0)
  probe.host?.serve(0)
  settle()
  t.is(probe.chains.length, 0)
})

test('what was asked of it meanwhile it does when released, in a later turn', (t) => {
  const { probe, driver, queue, settle } = start()
  driver.transport.hold()
  queue.post({ gpa: DATA, length: 8, write: true })
  driver.transport.notify(0)
  driver.transport.release()
  t.is(probe.chains.length, 0)
  settle()
  t.is(probe.chains.length, 1)
})

test('a chain that it took before may still be completed: its buffer was written already', (t) => {
  const { probe, driver, queue } = start()
  queue.post({ gpa: DATA, length: 8, write: true })
  driver.transport.notify(0)
  driver.transport.hold()
  const [chain] = probe.chains
  chain!.complete(0)
  t.is(driver.interrupts, 1)
})

test('a machine that ends while it is held still gets what was queued out', (t) => {
  const { probe, driver, queue } = start()
  driver.transport.hold()
  queue.post({ gpa: DATA, length: 8, write: true })
  driver.transport.drain()
  t.is(probe.chains.length, 1)
})

test('to hold twice and to release what is not held is nothing special', (t) => {
  const { probe, driver, queue, settle } = start()
  driver.transport.release()
  driver.transport.hold()
  driver.transport.hold()
  driver.transport.release()
  queue.post({ gpa: DATA, length: 8, write: true })
  driver.transport.notify(0)
  settle()
  t.is(probe.chains.length, 1)
})
