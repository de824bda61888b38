import test from 'ava'
import { BugError } from '../../src/errors.ts'
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '../../src/virtio/device.ts'
import { GuestViews } from '../../src/virtio/guest-views.ts'
import { VirtQueue } from '../../src/virtio/queue.ts'
import { steadyClock } from '../../src/virtio/rate-limiter.ts'
import { createGuardedMemory, HIGH } from '../helpers/guarded-memory.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'
import { createProbeDevice, type ProbeOptions } from '../helpers/probe-device.ts'

const DATA = 0x8000

const start = ({ features = ALL_RING_FEATURES, size = 8, ...options }: ProbeOptions & { size?: number } = {}) => {
  const probe = createProbeDevice(options)
  const driver = new MmioDriver(probe)
  driver.start({ features, size })
  return { probe, driver, queue: driver.queue(0) }
}

test('a chain shows its readable and its writable buffers, in order, as live views of guest memory (§2.7.4)', (t) => {
  const { probe, driver, queue } = start()
  const text = driver.put(DATA, 'hello')
  queue.post(text, { gpa: HIGH.gpa, length: 3 }, { gpa: DATA + 100, length: 7, write: true })
  driver.kick(0)

  const chain = probe.chains[0]!
  t.deepEqual([chain.readableBytes, chain.writableBytes], [8, 7])
  t.deepEqual(
    chain.readable.map(({ length }) => length),
    [5, 3],
  )
  t.is(new TextDecoder().decode(chain.readable[0]), 'hello')
  chain.writable[0]!.set([1, 2, 3])
  t.deepEqual([...driver.memory.bytes(DATA + 100, 3)], [1, 2, 3])
})

test('completing a chain writes its head and length to the used ring, then the index (§2.7.8)', (t) => {
  const { probe, driver, queue } = start()
  const head = queue.post({ gpa: DATA, length: 16, write: true })
  driver.kick(0)
  probe.chains[0]!.complete(9)
  t.deepEqual(queue.takeUsed(), [{ id: head, length: 9 }])
  t.is(driver.interrupts, 1)
  t.is(driver.read('InterruptStatus'), 1)
})

test('chains may be completed in any order, and the ring wraps around', (t) => {
  const { probe, driver, queue } = start({ size: 4 })
  for (let round = 0; round < 20; round++) {
    const heads = [0, 1, 2].map((i) => queue.post({ gpa: DATA + 16 * i, length: 16, write: true }))
    driver.kick(0)
    const [first, second, third] = probe.chains.splice(0)
    third!.complete(3)
    first!.complete(1)
    second!.complete(2)
    t.deepEqual(queue.takeUsed(), [
      { id: heads[2]!, length: 3 },
      { id: heads[0]!, length: 1 },
      { id: heads[1]!, length: 2 },
    ])
  }
  t.is(queue.usedIndex, 60)
})

test('indices run past 65535 and begin again at 0', (t) => {
  const { probe, driver, queue } = start({ size: 64 })
  probe.onChain = (chain) => chain.complete(0)
  let used = 0
  for (let round = 0; round < 1100; round++) {
    for (let i = 0; i < 60; i++) queue.post({ gpa: DATA, length: 1 })
    driver.kick(0)
    used += queue.takeUsed().length
  }
  t.is(used, 66_000)
  t.is(queue.usedIndex, 66_000 - 65_536)
  t.false(driver.needsReset)
})

test('an indirect table is one chain, after any number of direct descriptors; its WRITE flag means nothing (§2.7.5.3.2)', (t) => {
  const { probe, driver, queue } = start()
  queue.postIndirect(0x7000, { gpa: DATA, length: 4 }, { gpa: DATA + 4, length: 8, write: true })
  queue.writeDescriptor(4, { gpa: DATA, length: 2, flags: 1, next: 5 })
  queue.writeDescriptor(5, { gpa: 0x7000, length: 32, flags: 4 | 2 })
  queue.offer(4)
  driver.kick(0)
  t.deepEqual(
    probe.chains.map(({ readableBytes, writableBytes }) => [readableBytes, writableBytes]),
    [
      [4, 8],
      [6, 8],
    ],
  )
})

test('a used length never promises more than the driver offered', (t) => {
  const { probe, driver, queue } = start()
  queue.post({ gpa: DATA, length: 4 }, { gpa: DATA + 8, length: 8, write: true })
  driver.kick(0)
  probe.chains[0]!.complete(4096)
  t.is(queue.takeUsed()[0]!.length, 8)
})

test('completing a chain twice gives it back once', (t) => {
  const { probe, driver, queue } = start()
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  probe.chains[0]!.complete(0)
  probe.chains[0]!.complete(0)
  t.is(queue.usedIndex, 1)
})

test('without EVENT_IDX, VIRTQ_AVAIL_F_NO_INTERRUPT is heeded (§2.7.7.2)', (t) => {
  const { probe, driver, queue } = start({ features: VIRTIO_F_VERSION_1 })
  probe.onChain = (chain) => chain.complete(0)
  queue.writeAvailableFlags(1)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(driver.interrupts, 0)
  queue.writeAvailableFlags(0)
  queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(driver.interrupts, 1)
})

test('with EVENT_IDX, one interrupt comes when the used index passes used_event, and the flag is ignored (§2.7.7.2)', (t) => {
  const { probe, driver, queue } = start()
  probe.onChain = (chain) => chain.complete(0)
  queue.writeAvailableFlags(1)
  queue.writeUsedEvent(2)
  const interrupts: number[] = []
  for (let i = 0; i < 5; i++) {
    queue.post({ gpa: DATA, length: 4 })
    driver.kick(0)
    queue.takeUsed()
    interrupts.push(driver.interrupts)
  }
  t.deepEqual(interrupts, [0, 0, 1, 1, 1])
})

test('with EVENT_IDX, the device asks for a kick at the first chain it has not seen (§2.7.10)', (t) => {
  const { probe, driver, queue } = start()
  probe.onChain = (chain) => chain.complete(0)
  for (let i = 0; i < 3; i++) queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(queue.availableEvent, 3)
})

test('chains completed in one run cost the driver one interrupt', (t) => {
  const { probe, driver, queue } = start()
  probe.onChain = (chain) => chain.complete(0)
  for (let i = 0; i < 6; i++) queue.post({ gpa: DATA, length: 4 })
  driver.kick(0)
  t.is(driver.interrupts, 1)
  t.is(queue.takeUsed().length, 6)
})

test('a queue that offers a size no driver could use is our own mistake', (t) => {
  const views = new GuestViews(createGuardedMemory().memory)
  const owner = { used: () => {}, ready: () => {}, clock: steadyClock }
  for (const maxSize of [0, 3, 2048])
    t.throws(() => new VirtQueue(0, { name: 'q', maxSize }, views, owner), { instanceOf: BugError })
})

// --- hostile rings and descriptors ---

interface Mistake {
  readonly title: string
  readonly features?: bigint
  readonly make: (queue: ReturnType<typeof start>['queue'], driver: MmioDriver) => void
  readonly says: RegExp
}

const WRITE = 2
const NEXT = 1
const INDIRECT = 4

const MISTAKES: readonly Mistake[] = [
  {
    title: 'an available index that jumps by more than the queue size (class 11)',
    make: (queue) => queue.writeAvailableIndex(9),
    says: /index jumped by 9/,
  },
  {
    title: 'an available index that goes back (class 11)',
    make: (queue) => queue.writeAvailableIndex(-1),
    says: /index jumped by 65535/,
  },
  { title: 'a head outside the table (class 12)', make: (queue) => queue.offer(8), says: /head 8 is outside/ },
  {
    title: 'a next index outside the table (class 12)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: DATA, length: 4, flags: NEXT, next: 8 })
      queue.offer(0)
    },
    says: /index 8 is outside its table of 8/,
  },
  {
    title: 'a next index outside an indirect table, though inside the queue (class 12)',
    make: (queue) => {
      queue.writeTable(0x7000, 0, { gpa: DATA, length: 4, flags: NEXT, next: 2 })
      queue.writeDescriptor(0, { gpa: 0x7000, length: 32, flags: INDIRECT })
      queue.offer(0)
    },
    says: /index 2 is outside its table of 2/,
  },
  {
    title: 'a descriptor that names itself as next (class 13)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: DATA, length: 4, flags: NEXT, next: 0 })
      queue.offer(0)
    },
    says: /loops/,
  },
  {
    title: 'a loop inside an indirect table (class 13)',
    make: (queue) => {
      queue.writeTable(0x7000, 0, { gpa: DATA, length: 4, flags: NEXT, next: 1 })
      queue.writeTable(0x7000, 1, { gpa: DATA, length: 4, flags: NEXT, next: 0 })
      queue.writeDescriptor(0, { gpa: 0x7000, length: 32, flags: INDIRECT })
      queue.offer(0)
    },
    says: /loops/,
  },
  {
    title: 'an indirect chain longer than the queue (class 14)',
    make: (queue) => queue.postIndirect(0x7000, ...Array.from({ length: 9 }, () => ({ gpa: DATA, length: 4 }))),
    says: /longer than the queue/,
  },
  {
    title: 'a chain that names the same large buffer again and again (classes 15 and 20)',
    make: (queue) => queue.postIndirect(0x7000, ...Array.from({ length: 5 }, () => ({ gpa: 0, length: 0x1000 }))),
    says: /more than 16384 bytes/,
  },
  {
    title: 'a buffer of 4 GiB less one byte (class 15)',
    make: (queue) => queue.post({ gpa: DATA, length: 0xffffffff }),
    says: /not RAM/,
  },
  { title: 'an empty buffer (class 16)', make: (queue) => queue.post({ gpa: DATA, length: 0 }), says: /is empty/ },
  {
    title: 'an empty indirect table (class 17)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: 0x7000, length: 0, flags: INDIRECT })
      queue.offer(0)
    },
    says: /is empty/,
  },
  {
    title: 'an indirect table that is not a multiple of 16 bytes (class 17)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: 0x7000, length: 24, flags: INDIRECT })
      queue.offer(0)
    },
    says: /indirect table of 24 bytes/,
  },
  {
    title: 'an indirect descriptor with NEXT (class 17)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: 0x7000, length: 16, flags: INDIRECT | NEXT, next: 1 })
      queue.offer(0)
    },
    says: /with a next one/,
  },
  {
    title: 'an indirect table inside an indirect table (class 17)',
    make: (queue) => {
      queue.writeTable(0x7000, 0, { gpa: 0x7000, length: 16, flags: INDIRECT })
      queue.writeDescriptor(0, { gpa: 0x7000, length: 16, flags: INDIRECT })
      queue.offer(0)
    },
    says: /inside an indirect table/,
  },
  {
    title: 'an indirect descriptor that was not negotiated (class 17)',
    features: VIRTIO_F_VERSION_1,
    make: (queue) => queue.postIndirect(0x7000, { gpa: DATA, length: 4 }),
    says: /without VIRTIO_F_INDIRECT_DESC/,
  },
  {
    title: 'a readable buffer after a writable one (class 18)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: DATA, length: 4, flags: NEXT | WRITE, next: 1 })
      queue.writeDescriptor(1, { gpa: DATA, length: 4 })
      queue.offer(0)
    },
    says: /readable buffer after/,
  },
  {
    title: 'a head that is still in use (class 20)',
    make: (queue, driver) => {
      queue.post({ gpa: DATA, length: 4 })
      driver.kick(0)
      queue.offer(0)
    },
    says: /still in use/,
  },
  {
    title: 'a buffer that begins before RAM ends and ends after it (class 10)',
    make: (queue) => queue.post({ gpa: 0xffff, length: 2 }),
    says: /0xffff \+ 2 bytes, which is not RAM/,
  },
  {
    title: 'a buffer in the hole for devices (class 10)',
    make: (queue) => queue.post({ gpa: 0xd000_0000, length: 4 }),
    says: /not RAM/,
  },
  {
    title: 'a buffer that wraps around 2^64 (class 10)',
    make: (queue) => queue.post({ gpa: -4n, length: 8 }),
    says: /not RAM/,
  },
  {
    title: 'an address that is RAM only when cut to 32 or to 53 bits (class 34)',
    make: (queue) => queue.post({ gpa: (1n << 53n) + BigInt(DATA), length: 4 }),
    says: /not RAM/,
  },
  {
    title: 'an indirect table outside RAM (class 10)',
    make: (queue) => {
      queue.writeDescriptor(0, { gpa: HIGH.gpa + HIGH.size - 16, length: 32, flags: INDIRECT })
      queue.offer(0)
    },
    says: /not RAM/,
  },
]

for (const { title, features = ALL_RING_FEATURES, make, says } of MISTAKES) {
  test(`the device asks for a reset at ${title}`, (t) => {
    const { driver, queue } = start({ features, maxChainBytes: 0x4000 })
    make(queue, driver)
    driver.kick(0)
    t.true(driver.needsReset)
    t.regex(driver.log.join('\n'), says)
    t.is(driver.read('InterruptStatus') & 2, 2)
    t.deepEqual(driver.guarded.strayWrites(), [])
    driver.start()
    t.false(driver.needsReset)
  })
}

test('a buffer that ends with the last byte of RAM is fine', (t) => {
  const { probe, driver, queue } = start()
  queue.post({ gpa: 0xfffc, length: 4 }, { gpa: HIGH.gpa + HIGH.size - 1, length: 1, write: true })
  driver.kick(0)
  t.is(probe.chains.length, 1)
})

test('a descriptor changed after its chain was taken changes nothing (class 19)', (t) => {
  const { probe, driver, queue } = start()
  queue.post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  queue.writeDescriptor(0, { gpa: 0xd000_0000, length: 0xffffffff, flags: WRITE | NEXT, next: 0 })
  const chain = probe.chains[0]!
  chain.writable[0]!.fill(7)
  chain.complete(4)
  t.deepEqual([...driver.memory.bytes(DATA, 5)], [7, 7, 7, 7, 0])
  t.deepEqual(queue.takeUsed(), [{ id: 0, length: 4 }])
})

test('a used_event far away silences the device for one round of the index at most (class 21)', (t) => {
  const { probe, driver, queue } = start({ features: VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX, size: 64 })
  probe.onChain = (chain) => chain.complete(0)
  queue.writeUsedEvent(-1)
  for (let round = 0; round < 1025; round++) {
    for (let i = 0; i < 64; i++) queue.post({ gpa: DATA, length: 1 })
    driver.kick(0)
    driver.settle()
    queue.takeUsed()
  }
  t.is(driver.interrupts, 1)
})

test('one call takes at most one queueful of chains, even from a driver that adds more all the while (class 9)', (t) => {
  const { probe, driver, queue } = start({ size: 8 })
  let taken = 0
  probe.onChain = (chain) => {
    taken++
    chain.complete(0)
    if (taken < 1000) queue.offer(taken % 8)
  }
  for (let i = 0; i < 8; i++) queue.writeDescriptor(i, { gpa: DATA, length: 1 })
  queue.offer(0)
  driver.kick(0)
  t.is(taken, 8)
  t.is(driver.deferred.length, 1)
  driver.settle(1)
  t.is(taken, 16)
})

test('one call takes a bounded number of bytes, and the rest in later turns of the event loop (class 20)', (t) => {
  const guarded = createGuardedMemory([{ gpa: 0, size: 9 * 2 ** 20 }])
  const probe = createProbeDevice()
  const driver = new MmioDriver(probe, guarded)
  driver.start()
  probe.onChain = (chain) => chain.complete(0)
  for (let i = 0; i < 6; i++) driver.queue(0).post({ gpa: 0, length: 2 ** 20 })
  driver.kick(0)
  t.is(driver.queue(0).usedIndex, 2)
  t.is(driver.settle(), 3)
  t.is(driver.queue(0).usedIndex, 6)
})

test('a queue whose bytes are dear hands out fewer in one call', (t) => {
  const probe = createProbeDevice({ turnBytes: 64 })
  const driver = new MmioDriver(probe)
  driver.start()
  probe.onChain = (chain) => chain.complete(0)
  for (let i = 0; i < 3; i++) driver.queue(0).post({ gpa: 0, length: 64 })
  driver.kick(0)
  t.is(driver.queue(0).usedIndex, 1)
  driver.settle()
  t.is(driver.queue(0).usedIndex, 3)
})

test('reset with chains in flight: completing one later touches neither ring nor memory (class 5)', (t) => {
  const { probe, driver, queue } = start({ features: VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC })
  queue.post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  const old = probe.chains[0]!
  driver.write('Status', 0)
  t.true(old.stale)
  const before = driver.memory.bytes(0, 0x10000).slice()
  old.complete(4)
  t.deepEqual(driver.memory.bytes(0, 0x10000), before)

  driver.start()
  const head = driver.queue(0).post({ gpa: DATA, length: 4, write: true })
  driver.kick(0)
  old.complete(4)
  t.is(driver.queue(0).usedIndex, 0)
  probe.chains[1]!.complete(2)
  t.deepEqual(driver.queue(0).takeUsed(), [{ id: head, length: 2 }])
})
