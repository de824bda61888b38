import test from 'ava'
import fc from 'fast-check'
import { HostError } from '../../src/errors.ts'
import { type RateLimit, RateLimiter } from '../../src/virtio/rate-limiter.ts'
import type { JsonObject } from '../../src/virtio/saved-state.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { MmioDriver } from '../helpers/mmio-driver.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'
import { TestClock } from '../helpers/test-clock.ts'

const DATA = 0x8000
const BURST = 0.1

/** Takes operations of these sizes as soon as each may begin. @returns when each began */
function drive(limit: RateLimit, sizes: readonly number[], until = Number.POSITIVE_INFINITY): number[] {
  const clock = new TestClock()
  const start = clock.now()
  const began: number[] = []
  const limiter = new RateLimiter(limit, clock, () => go())
  const go = () => {
    while (began.length < sizes.length && limiter.ready()) {
      limiter.take(sizes[began.length]!)
      began.push(clock.now() - start)
    }
  }
  go()
  for (let steps = 0; began.length < sizes.length && clock.now() - start < until && steps < 100_000; steps++)
    clock.advance(1)
  return began
}

test('after a rest one burst passes at once, and then the rate holds', (t) => {
  const began = drive({ operationsPerSecond: 100 }, Array(60).fill(0))
  // A tenth of a second is worth 10 operations; the one that takes the bucket into debt passes too.
  t.is(began.filter((at) => at === 0).length, 11)
  t.true(began[59]! >= 480 && began[59]! <= 510, String(began[59]))
})

test('a request larger than the bucket passes, and what follows pays for it', (t) => {
  const began = drive({ bytesPerSecond: 1000 }, [5000, 1])
  t.is(began[0], 0)
  t.true(began[1]! >= 4900 && began[1]! <= 4902, String(began[1]))
})

test('both limits hold at the same time', (t) => {
  const began = drive({ bytesPerSecond: 1_000_000, operationsPerSecond: 10 }, Array(12).fill(1))
  t.true(began[11]! >= 990 && began[11]! <= 1010)
})

test('in no stretch of time more passes than rate, burst and one operation allow', (t) => {
  fc.assert(
    fc.property(
      fc.record({ bytes: fc.integer({ min: 1, max: 1e6 }), operations: fc.integer({ min: 1, max: 1000 }) }),
      fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 2, maxLength: 60 }),
      ({ bytes, operations }, sizes) => {
        const began = drive({ bytesPerSecond: bytes, operationsPerSecond: operations }, sizes, 20_000)
        const largest = Math.max(...sizes)
        for (let from = 0; from < began.length; from++) {
          let sum = 0
          for (let to = from; to < began.length; to++) {
            sum += sizes[to]!
            const seconds = (began[to]! - began[from]!) / 1000
            if (sum > bytes * (seconds + BURST) + largest + 1) return false
            if (to - from + 1 > operations * (seconds + BURST) + 1 + 1e-6) return false
          }
        }
        return true
      },
    ),
    { numRuns: 200 },
  )
  t.pass()
})

test('what waits is never forgotten: the rate is reached as well as kept', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 1e7 }), fc.integer({ min: 1, max: 5000 }), (bytes, size) => {
      const count = Math.min(200, Math.ceil((2 * bytes) / size))
      const began = drive({ bytesPerSecond: bytes }, Array(count).fill(size))
      // A timer of whole milliseconds loses nothing, since the bucket outlasts it.
      return began.length === count && began[count - 1]! <= ((count - 1) * size * 1000) / bytes + 2
    }),
    { numRuns: 100 },
  )
  t.pass()
})

test('a clock that stands still or runs backwards fills nothing', (t) => {
  let now = 1000
  const limiter = new RateLimiter({ operationsPerSecond: 10 }, { now: () => now, after: () => () => {} }, () => {})
  limiter.take(0)
  limiter.take(0)
  t.false(limiter.ready())
  now = 0
  t.false(limiter.ready())
  now = 1000
  t.false(limiter.ready())
  now = 1101
  t.true(limiter.ready())
})

test('at most one timer runs, and a stop calls it off', (t) => {
  const clock = new TestClock()
  let calls = 0
  const limiter = new RateLimiter({ bytesPerSecond: 10 }, clock, () => calls++)
  limiter.take(100)
  for (let i = 0; i < 5; i++) t.false(limiter.ready())
  t.is(clock.timers, 1)
  limiter.stop()
  t.is(clock.timers, 0)
  clock.advance(60_000)
  t.is(calls, 0)
})

test('a saved limiter goes on where it was; damaged state is refused', (t) => {
  const limit = { bytesPerSecond: 1000, operationsPerSecond: 10 }
  const before = new RateLimiter(limit, new TestClock(), () => {})
  before.take(5000)
  const state = JSON.parse(JSON.stringify(before.save()))
  const after = new RateLimiter(limit, new TestClock(), () => {})
  after.restore(state)
  t.deepEqual(after.save(), state)
  t.false(after.ready())
  for (const bytes of ['x', true, {}, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => after.restore({ bytes: bytes as number, operations: null }), { instanceOf: HostError })
  after.restore({ bytes: 1e300, operations: 1e300 })
  t.deepEqual(after.save(), { bytes: 100, operations: 1 })
})

// --- through a queue ---

function limited(rate: RateLimit) {
  const clock = new TestClock()
  const probe = createProbeDevice({ rate })
  probe.onChain = (chain) => chain.complete(chain.writableBytes)
  const driver = new MmioDriver(probe, createGuardedMemory(), clock)
  driver.start()
  return { clock, probe, driver, queue: driver.queue(0) }
}

test('a queue with a rate stops taking chains, and is served again without a kick', (t) => {
  const { clock, driver, queue } = limited({ operationsPerSecond: 20 })
  for (let i = 0; i < 8; i++) queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(queue.takeUsed().length, 3)
  t.is(clock.timers, 1)
  clock.advance(50)
  t.is(queue.takeUsed().length, 1)
  clock.advance(1000)
  t.is(queue.takeUsed().length, 4)
  t.is(clock.timers, 0)
})

test('a queue that is empty runs no timer', (t) => {
  const { clock, driver, queue } = limited({ operationsPerSecond: 1 })
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  driver.kick(0)
  t.is(clock.timers, 0)
})

test('bytes count as far as they moved: what a device did not write is given back', (t) => {
  const { clock, probe, driver, queue } = limited({ bytesPerSecond: 1000 })
  probe.onChain = (chain) => chain.complete(0)
  for (let i = 0; i < 8; i++) queue.post({ gpa: DATA, length: 0x1000, write: true })
  driver.kick(0)
  t.is(queue.takeUsed().length, 8)
  t.is(clock.timers, 0)
})

test('a reset calls the timer off and gives a guest no new burst', (t) => {
  const { clock, driver, queue } = limited({ operationsPerSecond: 1 })
  for (let i = 0; i < 3; i++) queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(queue.takeUsed().length, 1)
  driver.transport.reset()
  t.is(clock.timers, 0)
  driver.start()
  driver.queue(0).post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(driver.queue(0).takeUsed().length, 0)
})

test('what a guest queued before its end does not wait for the rate', (t) => {
  const { driver, queue } = limited({ operationsPerSecond: 1 })
  for (let i = 0; i < 8; i++) queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  driver.transport.drain()
  t.is(queue.takeUsed().length, 8)
})

test('the state of a rate is saved with its queue', (t) => {
  const { driver, queue } = limited({ bytesPerSecond: 1000 })
  queue.post({ gpa: DATA, length: 600 })
  driver.kick(0)
  const state = driver.transport.save()
  const [saved] = state.queues as readonly JsonObject[]
  t.deepEqual(saved!.rate, { bytes: -500, operations: null })
  const other = new MmioDriver(createProbeDevice({ rate: { bytesPerSecond: 1000 } }), driver.guarded, new TestClock())
  other.transport.restore(JSON.parse(JSON.stringify(state)))
  t.deepEqual((other.transport.save().queues as readonly JsonObject[])[0]!.rate, { bytes: -500, operations: null })
})

test('a chain that comes again after a restore was paid for already, and does not wait', (t) => {
  const rate = { bytesPerSecond: 1000 }
  const driver = new MmioDriver(createProbeDevice({ rate }), createGuardedMemory(), new TestClock())
  driver.start()
  driver.queue(0).post({ gpa: DATA, length: 600 })
  driver.kick(0)
  const probe = createProbeDevice({ rate })
  const other = new MmioDriver(probe, driver.guarded, new TestClock())
  other.transport.restore(JSON.parse(JSON.stringify(driver.transport.save())))
  other.settle()
  t.is(probe.chains.length, 1)
  t.deepEqual((other.transport.save().queues as readonly JsonObject[])[0]!.rate, { bytes: -500, operations: null })
})
