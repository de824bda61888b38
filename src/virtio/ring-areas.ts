/**
 * The three areas of a split virtqueue, checked once when the driver sets the queue up and then read through views.
 * virtio 1.2 §2.7
 */
import type { Gpa } from '../memory/guest-memory.ts'
import type { MemoryWindow } from '../memory/region-windows.ts'
import { DriverError } from './driver-error.ts'
import type { GuestViews } from './guest-views.ts'

/** What the driver wrote about a queue. Addresses are 64 bits and may be anything. */
export interface QueueSetup {
  size: number
  descriptors: bigint
  /** The driver area: the available ring. */
  available: bigint
  /** The device area: the used ring. */
  used: bigint
}

export interface RingAreas {
  readonly size: number
  /** Descriptor table: its region's view and the offset of descriptor 0. */
  readonly descriptors: DataView
  readonly descriptorsAt: number
  /** The available ring as halfwords: flags, idx, ring[size], used_event. */
  readonly available: Uint16Array
  /** The used ring as halfwords: flags, idx, {id, len}[size] of words, avail_event. */
  readonly used: Uint16Array
  readonly usedElements: DataView
}

const AREAS = [
  { key: 'descriptors', name: 'descriptor table', align: 16n, bytes: (size: number) => 16 * size },
  { key: 'available', name: 'available ring', align: 2n, bytes: (size: number) => 6 + 2 * size },
  { key: 'used', name: 'used ring', align: 4n, bytes: (size: number) => 6 + 8 * size },
] as const

/** @throws DriverError unless size and areas are such as the specification allows, and RAM. */
export const mapRingAreas = (views: GuestViews, setup: QueueSetup, maxSize: number): RingAreas => {
  const { size } = setup
  if (size < 1 || size > maxSize || (size & (size - 1)) !== 0)
    throw new DriverError(`queue size ${size} is not a power of two up to ${maxSize}`)

  const placed = AREAS.map(({ key, name, align, bytes }) => {
    const address = setup[key]
    const length = bytes(size)
    const at = `${name} at 0x${address.toString(16)}`
    if (address % align !== 0n) throw new DriverError(`${at} is not aligned to ${align} bytes`)
    const region = address <= Number.MAX_SAFE_INTEGER ? views.find(Number(address), length) : undefined
    if (!region) throw new DriverError(`${at} with ${length} bytes is not RAM`)
    return { at, gpa: Number(address), length, region }
  })
  for (const [i, area] of placed.entries()) {
    const clash = placed
      .slice(0, i)
      .find((other) => area.gpa < other.gpa + other.length && other.gpa < area.gpa + area.length)
    if (clash) throw new DriverError(`${area.at} overlaps the ${clash.at}`)
  }

  const [descriptors, available, used] = placed as [Placed, Placed, Placed]
  return {
    size,
    descriptors: descriptors.region.view,
    descriptorsAt: descriptors.gpa - descriptors.region.gpa,
    available: halfwords(available),
    used: halfwords(used),
    usedElements: new DataView(used.region.buffer, used.gpa + used.region.toHost + 4, 8 * size),
  }
}

interface Placed {
  readonly at: string
  readonly gpa: Gpa
  readonly length: number
  readonly region: MemoryWindow
}

const halfwords = ({ gpa, length, region }: Placed): Uint16Array =>
  new Uint16Array(region.buffer, gpa + region.toHost, length / 2)
