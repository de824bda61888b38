/** The ranges that a discard or write-zeroes request names. struct virtio_blk_discard_write_zeroes, virtio 1.2 §5.2.6 */
import { type Chain, gather } from '../virtio/chain.ts'
import { HEADER_BYTES, VIRTIO_BLK_S } from './virtio-blk-request.ts'

/** Offered in the configuration space and held to: bounds the work of one request. 1 GiB is many clusters of any disk. */
export const MAX_RANGE_SECTORS = 2 ** 21
export const MAX_RANGES = 64

/** le64 sector, le32 num_sectors, le32 flags. */
const RANGE_BYTES = 16
const FLAG_UNMAP = 1

export interface DiscardRange {
  readonly sector: number
  readonly sectors: number
  readonly unmap: boolean
}

/** All ranges, or the status that refuses the request as a whole. */
export const rangesOf = (
  chain: Chain,
  command: 'discard' | 'writeZeroes',
  capacity: number,
): readonly DiscardRange[] | number => {
  const length = chain.readableBytes - HEADER_BYTES
  if (length === 0 || length % RANGE_BYTES !== 0 || length > MAX_RANGES * RANGE_BYTES) return VIRTIO_BLK_S.IOERR
  // Copied once: what is checked is what is used.
  const view = new DataView(new ArrayBuffer(length))
  gather(chain.readable, new Uint8Array(view.buffer), HEADER_BYTES)
  const ranges: DiscardRange[] = []
  for (let at = 0; at < length; at += RANGE_BYTES) {
    const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
    const sectors = view.getUint32(at + 8, true)
    const flags = view.getUint32(at + 12, true)
    // §5.2.6.2: unknown flags are refused, and so is `unmap` where it says nothing.
    if ((flags & ~FLAG_UNMAP) !== 0 || (command === 'discard' && flags !== 0)) return VIRTIO_BLK_S.UNSUPP
    if (sectors > MAX_RANGE_SECTORS || sector > capacity || sectors > capacity - sector) return VIRTIO_BLK_S.IOERR
    ranges.push({ sector, sectors, unmap: (flags & FLAG_UNMAP) !== 0 })
  }
  return ranges
}
