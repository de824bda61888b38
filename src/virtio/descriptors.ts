/**
 * Walks one descriptor chain: every descriptor is read once, checked, and kept as a view; after that, what the driver
 * does to the table no longer matters. virtio 1.2 §2.7.5
 */
import type { QueueChain } from './chain.ts'
import { DriverError } from './driver-error.ts'
import type { GuestViews } from './guest-views.ts'
import type { RingAreas } from './ring-areas.ts'

export const VIRTQ_DESC_F_NEXT = 1
export const VIRTQ_DESC_F_WRITE = 2
export const VIRTQ_DESC_F_INDIRECT = 4
export const VIRTQ_DESC_BYTES = 16

/** Upper halves of addresses from here on make a number that JavaScript does not hold exactly (2^53). */
const HIGH_LIMIT = 2 ** 21

export interface ChainLimits {
  readonly maxBytes: number
  /** VIRTIO_F_INDIRECT_DESC was negotiated. */
  readonly indirect: boolean
}

/** Fills `chain` with the buffers of the chain at its head. @throws DriverError */
export const readChain = (views: GuestViews, areas: RingAreas, limits: ChainLimits, chain: QueueChain): void => {
  let table = areas.descriptors
  let tableAt = areas.descriptorsAt
  let count = areas.size
  let inIndirect = false
  let index = chain.head
  let hops = 0
  let bytes = 0

  for (;;) {
    if (index >= count) throw new DriverError(`descriptor index ${index} is outside its table of ${count}`)
    // A chain is never longer than the queue (§2.7.5.3.1), so a loop ends here too.
    if (++hops > areas.size)
      throw new DriverError(`a descriptor chain loops or is longer than the queue (${areas.size})`)
    const at = tableAt + index * VIRTQ_DESC_BYTES
    const low = table.getUint32(at, true)
    const high = table.getUint32(at + 4, true)
    const length = table.getUint32(at + 8, true)
    const flags = table.getUint16(at + 12, true)
    const next = table.getUint16(at + 14, true)

    const gpa = high * 2 ** 32 + low
    const region = high < HIGH_LIMIT ? views.find(gpa, length) : undefined
    if (!region)
      throw new DriverError(`descriptor ${index} names 0x${gpa.toString(16)} + ${length} bytes, which is not RAM`)
    if (length === 0) throw new DriverError(`descriptor ${index} is empty`)

    if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
      if (!limits.indirect) throw new DriverError('an indirect descriptor without VIRTIO_F_INDIRECT_DESC')
      if (inIndirect) throw new DriverError('an indirect descriptor inside an indirect table')
      if ((flags & VIRTQ_DESC_F_NEXT) !== 0) throw new DriverError('an indirect descriptor with a next one')
      if (length % VIRTQ_DESC_BYTES !== 0) throw new DriverError(`an indirect table of ${length} bytes`)
      // The flag VIRTQ_DESC_F_WRITE of this descriptor means nothing (§2.7.5.3.2).
      inIndirect = true
      table = region.view
      tableAt = gpa - region.gpa
      count = length / VIRTQ_DESC_BYTES
      index = 0
      hops -= 1
      continue
    }

    bytes += length
    if (bytes > limits.maxBytes) throw new DriverError(`a descriptor chain of more than ${limits.maxBytes} bytes`)
    const segment = new Uint8Array(region.buffer, gpa + region.toHost, length)
    if ((flags & VIRTQ_DESC_F_WRITE) !== 0) {
      chain.writable.push(segment)
      chain.writableBytes += length
    } else {
      if (chain.writableBytes > 0) throw new DriverError('a device-readable buffer after a device-writable one')
      chain.readable.push(segment)
      chain.readableBytes += length
    }
    if ((flags & VIRTQ_DESC_F_NEXT) === 0) return
    index = next
  }
}
