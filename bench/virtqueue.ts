/**
 * Descriptor chains through the virtio core, without KVM: from the kick to the used ring, by a device that completes
 * each chain at once. The peer is a bare loop over the same rings that checks nothing and knows no device: the
 * difference is what validation, views and the device interface cost.
 */
import { GuestMemory } from '../src/memory/guest-memory.ts'
import type { VirtioDevice } from '../src/virtio/device.ts'
import { DriverQueue } from '../test/helpers/driver-queue.ts'
import { createGuardedMemory } from '../test/helpers/guarded-memory.ts'
import { MmioDriver } from '../test/helpers/mmio-driver.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const QUEUE_SIZE = 256
const QUEUE_AT = 0x1000
const TABLES_AT = 0x10000
const DATA_AT = 0x20000
const KICKS_A_ROUND = 200

const completer: VirtioDevice = {
  id: 42,
  name: 'completer',
  features: 0n,
  config: new Uint8Array(0),
  queues: [{ name: 'q', maxSize: QUEUE_SIZE }],
  activate: () => {},
  onAvailable: (_index, queue) => {
    for (let chain = queue.next(); chain; chain = queue.next()) chain.complete(chain.writableBytes)
  },
  reset: () => {},
  save: () => null,
  restore: () => {},
}

interface Load {
  readonly name: string
  readonly descriptors: number
  readonly indirect?: boolean
  readonly chainsAKick: number
}

const loads: readonly Load[] = [
  { name: '1 descriptor, 64 chains a kick', descriptors: 1, chainsAKick: 64 },
  { name: '3 descriptors, 64 chains a kick', descriptors: 3, chainsAKick: 64 },
  { name: '3 indirect descriptors, 64 chains a kick', descriptors: 3, indirect: true, chainsAKick: 64 },
  { name: '1 descriptor, 1 chain a kick', descriptors: 1, chainsAKick: 1 },
  { name: '3 descriptors, 1 chain a kick', descriptors: 3, chainsAKick: 1 },
]

const VIRTQ_DESC_F_NEXT = 1
const VIRTQ_DESC_F_WRITE = 2
const VIRTQ_DESC_F_INDIRECT = 4

/** Heads of chains written once and offered again and again: the driver's own work stays out of the figure. */
const writeChains = (queue: DriverQueue, { descriptors, indirect = false, chainsAKick }: Load): number[] =>
  Array.from({ length: chainsAKick }, (_, chain) => {
    const table = indirect ? TABLES_AT + 16 * descriptors * chain : queue.descriptors
    const first = indirect ? 0 : chain * descriptors
    for (let i = 0; i < descriptors; i++) {
      const last = i === descriptors - 1
      queue.writeTable(table, first + i, {
        gpa: DATA_AT + 0x1000 * i,
        length: 0x200,
        flags: last ? VIRTQ_DESC_F_WRITE : VIRTQ_DESC_F_NEXT,
        next: last ? 0 : first + i + 1,
      })
    }
    if (!indirect) return first
    queue.writeDescriptor(chain, { gpa: table, length: 16 * descriptors, flags: VIRTQ_DESC_F_INDIRECT })
    return chain
  })

/** @returns nanoseconds for each chain, over one round of kicks. */
const timeKicks = (queue: DriverQueue, heads: readonly number[], kick: () => void): number => {
  let spent = 0n
  for (let i = 0; i < KICKS_A_ROUND; i++) {
    for (const head of heads) queue.offer(head)
    queue.writeUsedEvent(queue.usedIndex + heads.length - 1)
    const begun = process.hrtime.bigint()
    kick()
    spent += process.hrtime.bigint() - begun
  }
  return Number(spent) / (KICKS_A_ROUND * heads.length)
}

const throughTransport = (load: Load) => {
  const driver = new MmioDriver(completer, createGuardedMemory([{ gpa: 0, size: 2 ** 20 }]))
  driver.negotiate(driver.offeredFeatures())
  const queue = new DriverQueue(driver.memory, QUEUE_AT, QUEUE_SIZE)
  driver.setUpQueue(0, queue)
  driver.write('Status', 15)
  const heads = writeChains(queue, load)
  return () => {
    const value = timeKicks(queue, heads, () => driver.transport.notify(0))
    if (driver.needsReset || queue.usedIndex !== queue.availableIndex) throw new Error('chains were not completed')
    return value
  }
}

const bareLoop = (load: Load) => {
  const bytes = new Uint8Array(2 ** 20)
  const queue = new DriverQueue(GuestMemory.over([{ gpa: 0, bytes }]), QUEUE_AT, QUEUE_SIZE)
  const heads = writeChains(queue, load)
  const view = new DataView(bytes.buffer)
  const mask = QUEUE_SIZE - 1
  let taken = 0
  return () =>
    timeKicks(queue, heads, () => {
      while (taken !== view.getUint16(queue.available + 2, true)) {
        const head = view.getUint16(queue.available + 4 + 2 * (taken & mask), true)
        let length = 0
        for (let index = head, flags = VIRTQ_DESC_F_NEXT; flags & VIRTQ_DESC_F_NEXT; ) {
          const at = queue.descriptors + 16 * index
          flags = view.getUint16(at + 12, true)
          index = view.getUint16(at + 14, true)
          if (flags & VIRTQ_DESC_F_WRITE) length += view.getUint32(at + 8, true)
        }
        view.setUint32(queue.used + 4 + 8 * (taken & mask), head, true)
        view.setUint32(queue.used + 8 + 8 * (taken & mask), length, true)
        taken = (taken + 1) & 0xffff
        view.setUint16(queue.used + 2, taken, true)
      }
    })
}

const peer = 'bare loop, 1 descriptor, 64 chains a kick'
const players = [
  { name: peer, measure: bareLoop(loads[0]!) },
  ...loads.map((load) => ({ name: load.name, measure: throughTransport(load) })),
]

printReport({
  title: 'Descriptor chains through the virtio core (1,000 ns a chain are a million chains a second)',
  unit: 'ns a chain',
  peer,
  // The first ones compile and warm up.
  candidates: await takeTurns(players, { runs: rounds(60), warmups: 20 }),
})
