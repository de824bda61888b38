/** A rate, in each direction. */
import test from 'ava'
import { createNetWire } from '../../src/backends/net-wire.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import type { RateLimit } from '../../src/virtio/rate-limiter.ts'
import { frame, join, MAC, netHeader } from '../helpers/net.ts'
import { Card } from '../helpers/net-card.ts'
import { TestClock } from '../helpers/test-clock.ts'

const createMemory = () => GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(2 ** 21) }])

const startPaced = (rate: RateLimit) => {
  const clock = new TestClock()
  const [near, far] = createNetWire().ends
  const card = new Card(near, createMemory(), MAC, undefined, { rate, clock })
  return { clock, card, far }
}

test('a rate lets out as many frames as it says, and the rest when their time comes', (t) => {
  const { clock, card } = startPaced({ operationsPerSecond: 20 })
  const sent = () => card.device.counters().sentFrames
  for (let seed = 0; seed < 10; seed++) card.send(join(netHeader(), frame(60, seed)))
  // A tenth of a second is worth 2 frames, and one more passes in debt.
  t.is(sent(), 3)
  clock.advance(49)
  t.is(sent(), 3)
  clock.advance(1)
  t.is(sent(), 4)
  clock.advance(300)
  t.is(sent(), 10)
})

test('a rate counts the bytes of frames that came, not of the buffers taken for them', (t) => {
  const { clock, card, far } = startPaced({ bytesPerSecond: 10_000 })
  for (let seed = 0; seed < 60; seed++) far.send(join(netHeader(), frame(88, seed)), [], 0)
  // A tenth of a second's worth, and one buffer of 2048 in debt.
  t.true(card.take().length <= 31)
  clock.advance(600)
  t.is(card.device.counters().receivedFrames, 60)
  // Three quarters of a second at 100 frames a second would be 75: what is left over is not saved up.
  for (let seed = 0; seed < 120; seed++) far.send(join(netHeader(), frame(88, seed)), [], 0)
  card.take()
  clock.advance(500)
  t.true(card.device.counters().receivedFrames <= 60 + 31 + 50)
})

test('a frame larger than what the rate allows at once arrives whole, in its time', (t) => {
  const { clock, card, far } = startPaced({ bytesPerSecond: 100_000 })
  const large = frame(40_000)
  far.send(join(netHeader(), large), [], 0)
  far.send(join(netHeader(), frame(60, 9)), [], 0)
  t.deepEqual(card.take(), [])
  clock.advance(1000)
  t.deepEqual(
    card.take().map((bytes) => bytes.subarray(12)),
    [large, frame(60, 9)],
  )
})

test('no timer of a rate outlives a reset', (t) => {
  const { clock, card, far } = startPaced({ bytesPerSecond: 1000, operationsPerSecond: 10 })
  for (let seed = 0; seed < 10; seed++) {
    card.send(join(netHeader(), frame(1000, seed)))
    far.send(join(netHeader(), frame(1000, seed)), [], 0)
  }
  t.is(clock.timers, 2)
  card.driver.write('Status', 0)
  t.is(clock.timers, 0)
})
