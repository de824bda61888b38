import test from 'ava'
import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import { Lookout, type Watched } from '../../src/virtio/lookout.ts'
import { createMemoryDisk } from '../helpers/memory-disk.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'

/** A queue whose driver sends the next request so many microseconds after an answer; a clock that moves when it is read. */
function scene(nextAfterUs: () => number) {
  let nowUs = 0
  let dueUs = nextAfterUs()
  const calls: string[] = []
  const queue: Watched = {
    begin: () => {
      calls.push('begin')
      return true
    },
    arrived: () => nowUs >= dueUs,
    end: () => void calls.push('end'),
    serve: () => {
      calls.push('serve')
      dueUs = nowUs + nextAfterUs()
    },
  }
  const lookout = new Lookout(() => {
    nowUs++
    return nowUs / 1000
  })
  return {
    calls,
    /** Kicks once. @returns how long it was looked, in microseconds */
    kick() {
      const before = nowUs
      dueUs = nowUs + nextAfterUs()
      lookout.watch(queue)
      return nowUs - before
    },
    count: (call: string) => calls.filter((one) => one === call).length,
  }
}

const NEVER = Number.POSITIVE_INFINITY

test('what comes soon after an answer is served without a kick, one after the other', (t) => {
  let left = 10
  const { kick, count } = scene(() => (left-- > 0 ? 10 : NEVER))
  kick()
  t.is(count('serve'), 9)
  t.is(count('end'), 1)
})

test('looking in vain takes less each time, and then no time at all', (t) => {
  const { kick } = scene(() => NEVER)
  const looks = Array.from({ length: 6 }, kick)
  t.true(looks[0]! >= 50 && looks[0]! < 60, String(looks))
  t.true(looks[1]! < looks[0]! / 2)
  t.deepEqual(looks.slice(3), [0, 0, 0])
})

test('after a while it is tried again', (t) => {
  const { kick } = scene(() => NEVER)
  const looks = Array.from({ length: 70 }, kick)
  // The first, and every eighth.
  t.is(looks.filter((us) => us >= 50).length, 1 + Math.floor(70 / 8))
})

test('a driver that never stops sending does not keep the event loop', (t) => {
  const { kick, calls } = scene(() => 10)
  t.true(kick() < 1100)
  t.is(calls.at(-1), 'end')
})

test('what comes while kicks are turned on again is not lost', (t) => {
  const arrivals = [false, true, false]
  let served = 0
  let at = 0
  const queue: Watched = {
    begin: () => served < 2,
    arrived: () => arrivals[at] === true,
    end: () => void at++,
    serve: () => {
      served++
      at++
    },
  }
  let now = 0
  new Lookout(() => now++).watch(queue)
  t.is(served, 1)
})

test('nothing is looked for while an answer is still under way', (t) => {
  const queue: Watched = {
    begin: () => false,
    arrived: () => t.fail() as never,
    end: () => t.fail(),
    serve: () => t.fail(),
  }
  new Lookout().watch(queue)
  t.pass()
})

test('a driver is asked for no kick while its next request is looked for, and for one afterwards (§2.7.10)', (t) => {
  for (const late of [false, true]) {
    const disk = createMemoryDisk({ late })
    const device = virtioBlk(disk)
    const driver = new MmioDriver(device)
    driver.start({ features: device.features | ALL_RING_FEATURES })
    const queue = driver.queue(0)
    const availEvent = () => driver.memory.loadU16(queue.used + 4 + 8 * queue.size)
    for (let request = 1; request <= 5; request++) {
      // VIRTIO_BLK_T_GET_ID
      driver.memory.bytes(0x8000, 16).fill(0)[0] = 8
      queue.post({ gpa: 0x8000, length: 16 }, { gpa: 0x9000, length: 21, write: true })
      driver.kick(0)
      for (const end of disk.underWay.splice(0)) end()
      t.is(queue.takeUsed().length, 1)
      t.is(availEvent(), request)
    }
  }
})
