/** What a lying driver is let loose on: a device, and what its host side may do meanwhile. */
import type { VirtioDevice } from '../../../src/virtio/device.ts'
import type { Clock } from '../../../src/virtio/rate-limiter.ts'
import { ALL_RING_FEATURES, type MmioDriver } from '../mmio-driver.ts'

export const QUEUE_SIZE = 8

export interface Subject {
  readonly device: VirtioDevice
  readonly hostEvent: (choice: number) => void
  readonly clock?: Clock
  /** What is wrong on the host's side after all that. */
  readonly damage?: () => string | undefined
  /** How often the driver got as far as the host's side: a device that is never reached proves nothing. */
  readonly reached?: () => number
}

export type Step = (driver: MmioDriver, subject: Subject) => void

export const onQueue = (index: number, driver: MmioDriver) => driver.queues[index % driver.queues.length]!

export const startAll = (driver: MmioDriver): void =>
  driver.start({ size: QUEUE_SIZE, features: driver.offeredFeatures() | ALL_RING_FEATURES })

/** Nearly right steps go to a device that listens. */
export const startIfBroken = (driver: MmioDriver): void => {
  if (driver.needsReset) startAll(driver)
}

/** A chain in the descriptors from `slot` on, whoever has them now. */
export const postFrom = (
  slot: number,
  queue: number,
  driver: MmioDriver,
  parts: readonly { gpa: number; length: number; flags: number }[],
) => {
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1
    onQueue(queue, driver).writeDescriptor((slot + index) % QUEUE_SIZE, {
      ...part,
      flags: part.flags | (last ? 0 : 1),
      next: (slot + index + 1) % QUEUE_SIZE,
    })
  }
  onQueue(queue, driver).offer(slot)
  driver.kick(queue)
}
