/** What a guest says of its own memory: tags and values in a buffer that the driver refills on request. §5.5.6.3 */
import { type Chain, gather } from '../virtio/chain.ts'

/** In bytes, but for faults and page counts. A driver leaves out what it does not know. */
export interface GuestMemoryStatistics {
  readonly swapInBytes?: number
  readonly swapOutBytes?: number
  readonly majorFaults?: number
  readonly minorFaults?: number
  readonly freeBytes?: number
  readonly totalBytes?: number
  readonly availableBytes?: number
  readonly cacheBytes?: number
  readonly hugePageAllocations?: number
  readonly hugePageFailures?: number
}

/** VIRTIO_BALLOON_S_SWAP_IN (0) to VIRTIO_BALLOON_S_HTLB_PGFAIL (9), by tag. §5.5.6.4 */
const TAGS: readonly (keyof GuestMemoryStatistics)[] = [
  'swapInBytes',
  'swapOutBytes',
  'majorFaults',
  'minorFaults',
  'freeBytes',
  'totalBytes',
  'availableBytes',
  'cacheBytes',
  'hugePageAllocations',
  'hugePageFailures',
]

/** struct virtio_balloon_stat, packed: le16 tag, le64 val. */
const ENTRY_BYTES = 10
/** More than any driver has, newer tags included. */
const ENTRIES_MAX = 64

/** Unknown tags are ignored, and of one that comes twice the last counts. */
export const readStatistics = (chain: Chain): GuestMemoryStatistics => {
  const bytes = new Uint8Array(ENTRY_BYTES * ENTRIES_MAX)
  const length = gather(chain.readable, bytes)
  const view = new DataView(bytes.buffer)
  const statistics: { -readonly [key in keyof GuestMemoryStatistics]: number } = {}
  for (let at = 0; at + ENTRY_BYTES <= length; at += ENTRY_BYTES) {
    const name = TAGS[view.getUint16(at, true)]
    if (name) statistics[name] = Number(view.getBigUint64(at + 2, true))
  }
  return statistics
}
