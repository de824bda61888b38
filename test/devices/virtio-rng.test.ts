import test from 'ava'
import { hostRandom, type RandomSource } from '../../src/backends/random-source.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { MmioDriver } from '../helpers/mmio-driver.ts'

const DATA = 0x8000

const start = (random: RandomSource, ramBytes?: number) => {
  const guarded = ramBytes ? createGuardedMemory([{ gpa: 0, size: ramBytes }]) : createGuardedMemory()
  const driver = new MmioDriver(virtioRng(random), guarded)
  driver.start()
  return { driver, queue: driver.queue(0) }
}

/** Counts 1, 2, 3 ... so that the order shows. */
const counting = (): RandomSource => {
  let next = 0
  return {
    fill: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = ++next
    },
  }
}

test('virtio-rng fills the writable buffers in order and says how much (§5.4.6)', (t) => {
  const { driver, queue } = start(counting())
  const head = queue.post({ gpa: DATA, length: 3, write: true }, { gpa: DATA + 16, length: 2, write: true })
  driver.kick(0)
  t.deepEqual([...driver.memory.bytes(DATA, 4)], [1, 2, 3, 0])
  t.deepEqual([...driver.memory.bytes(DATA + 16, 3)], [4, 5, 0])
  t.deepEqual(queue.takeUsed(), [{ id: head, length: 5 }])
})

test('virtio-rng is device 4 with one queue and no configuration space', (t) => {
  const { driver } = start(counting())
  t.is(driver.read('DeviceID'), 4)
  t.is(driver.transport.queueCount, 1)
  t.deepEqual([...driver.readConfig(0, 4)], [0, 0, 0, 0])
})

test('virtio-rng writes only device-writable buffers (§5.4.6)', (t) => {
  const { driver, queue } = start(counting())
  queue.post({ gpa: DATA, length: 4 })
  queue.post({ gpa: DATA + 8, length: 4 }, { gpa: DATA + 16, length: 1, write: true })
  driver.kick(0)
  t.deepEqual([...driver.memory.bytes(DATA, 18)], [...new Array(16).fill(0), 1, 0])
  t.deepEqual(
    queue.takeUsed().map(({ length }) => length),
    [0, 1],
  )
})

test('virtio-rng gives at most 64 KiB to one request, however large or often named its buffer (class 25)', (t) => {
  let filled = 0
  const random = {
    fill: (bytes: Uint8Array) => {
      filled += bytes.length
    },
  }
  const { driver, queue } = start(random, 2 ** 20)
  queue.post({ gpa: 0x10000, length: 0xf0000, write: true })
  queue.postIndirect(0x8000, ...Array.from({ length: 8 }, () => ({ gpa: 0x10000, length: 30_000, write: true })))
  driver.kick(0)
  t.deepEqual(
    queue.takeUsed().map(({ length }) => length),
    [65_536, 65_536],
  )
  t.is(filled, 2 * 65_536)
})

test('virtio-rng may be asked to overwrite its own rings: only that driver suffers (class 25)', (t) => {
  const { driver, queue } = start(counting())
  queue.post({ gpa: queue.descriptors, length: 256, write: true })
  queue.post({ gpa: DATA, length: 4, write: true })
  t.notThrows(() => driver.kick(0))
  t.deepEqual(driver.guarded.strayWrites(), [])
  driver.start()
  driver.queue(0).post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  t.is(driver.queue(0).takeUsed()[0]!.length, 4)
})

test('the random source of the host fills guest memory, twice differently', (t) => {
  const { driver, queue } = start(hostRandom)
  queue.post({ gpa: DATA, length: 32, write: true })
  queue.post({ gpa: DATA + 32, length: 32, write: true })
  driver.kick(0)
  const [first, second] = [driver.memory.bytes(DATA, 32), driver.memory.bytes(DATA + 32, 32)]
  t.notDeepEqual(first, second)
  t.notDeepEqual(first, new Uint8Array(32))
})

test('a random source that fails costs the guest its device, not the host its process', (t) => {
  const { driver, queue } = start({
    fill: () => {
      throw new Error('no entropy')
    },
  })
  queue.post({ gpa: DATA, length: 4, write: true })
  t.notThrows(() => driver.kick(0))
  t.true(driver.needsReset)
})
