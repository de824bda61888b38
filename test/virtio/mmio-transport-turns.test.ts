/** When a device works: turns, mistakes, resets in the middle of them. Virtio 1.2 §2.7.13, §4.2.2. */
import test from 'ava'
import { DriverQueue } from '../helpers/driver-queue.ts'
import { ALL_RING_FEATURES, READY } from '../helpers/mmio-driver.ts'
import { probeDriver, startedProbe } from '../helpers/probe-driver.ts'

const DATA = 0x8000

test('nothing is consumed before DRIVER_OK; what was made available by then is served at once (class 9)', (t) => {
  const { probe, driver } = probeDriver()
  driver.kick(0)
  driver.negotiate(ALL_RING_FEATURES)
  const queue = new DriverQueue(driver.memory, 0x1000, 8)
  driver.setUpQueue(0, queue)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  driver.transport.notify(0)
  driver.transport.drain()
  t.deepEqual(probe.chains, [])
  driver.write('Status', READY)
  t.is(probe.chains.length, 1)
})

test('a storm of notifications costs no memory and one look at the ring each (class 9)', (t) => {
  const { probe, driver } = startedProbe()
  for (let i = 0; i < 10_000; i++) driver.kick(0)
  t.is(driver.deferred.length, 0)
  t.is(probe.calls.filter((call) => call === 'onAvailable 0').length, 10_001)
})

test('whatever a driver does wrong is logged a bounded number of times (class 27)', (t) => {
  const { driver } = startedProbe()
  for (let i = 0; i < 1000; i++) driver.write('MagicValue', i)
  driver.write('Status', 0)
  for (let i = 0; i < 1000; i++) driver.write('MagicValue', i)
  t.is(driver.log.length, 32)
  t.regex(driver.log[31]!, /further mistakes are not logged/)
})

test('an exception in the device ends in DEVICE_NEEDS_RESET, not in the caller', (t) => {
  const { probe, driver, queue } = startedProbe()
  probe.onChain = () => {
    throw new Error('the backend is gone')
  }
  queue.post({ gpa: DATA, length: 4 })
  t.notThrows(() => driver.kick(0))
  t.true(driver.needsReset)
  t.regex(driver.log[0]!, /device failed: the backend is gone/)
  t.is(probe.calls.at(-1), 'halted')
})

test('chains completed before a mistake are still given back', (t) => {
  const { probe, driver, queue } = startedProbe()
  probe.onChain = (chain) => chain.complete(0)
  queue.post({ gpa: DATA, length: 4 })
  queue.offer(99)
  driver.kick(0)
  t.true(driver.needsReset)
  t.is(queue.usedIndex, 1)
  t.is(driver.read('InterruptStatus'), 3)
})

test('reset in the middle of everything leaves a device as new (class 5)', (t) => {
  const { probe, driver, queue } = startedProbe()
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  probe.host!.configChanged()
  driver.write('Status', 0)
  t.is(driver.status, 0)
  t.is(driver.read('InterruptStatus'), 0)
  t.is(driver.read('QueueReady'), 0)
  const chains = probe.chains.length
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(probe.chains.length, chains)
  t.true(driver.negotiate(ALL_RING_FEATURES))
})

test('a reset from inside the handler ends the turn (class 5)', (t) => {
  const { probe, driver, queue } = startedProbe()
  let taken = 0
  probe.onChain = (chain) => {
    taken++
    driver.write('Status', 0)
    chain.complete(0)
  }
  for (let i = 0; i < 4; i++) queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(taken, 1)
  t.is(queue.usedIndex, 0)
  t.is(driver.settle(), 0)
})

test('a queue served from inside the handler of another has its turn after it, before the interrupt', (t) => {
  const { probe, driver } = startedProbe({ queueCount: 2 })
  const order: string[] = []
  probe.onChain = (chain, index) => {
    order.push(`begin ${index}`)
    if (index === 0) probe.host!.serve(1)
    chain.complete(0)
    order.push(`end ${index}`)
  }
  driver.queue(1).post({ gpa: DATA, length: 4 })
  driver.queue(0).post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.deepEqual(order, ['begin 0', 'end 0', 'begin 1', 'end 1'])
  t.is(driver.interrupts, 1)
})

test('queues that wake each other without end are put off to later turns of the event loop', (t) => {
  const { probe, driver } = startedProbe({ queueCount: 2 })
  probe.onAvailable = (index) => probe.host!.serve(1 - index)
  driver.kick(0)
  t.is(driver.deferred.length, 1)
  t.is(driver.settle(5), 5)
})

test('drain handles all that is available now', (t) => {
  const { probe, driver } = startedProbe({ queueCount: 2 })
  probe.onChain = (chain) => chain.complete(0)
  for (let i = 0; i < 8; i++) driver.queue(1).post({ gpa: DATA, length: 4 })
  driver.queue(0).post({ gpa: DATA, length: 4 })
  driver.transport.drain()
  t.is(driver.queue(0).usedIndex, 1)
  t.is(driver.queue(1).usedIndex, 8)
})
