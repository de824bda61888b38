/** The configuration space of a block device. virtio 1.2 §5.2.4 */
import type { Disk } from '../backends/disk/disk.ts'
import { MAX_RANGE_SECTORS, MAX_RANGES } from './virtio-blk-ranges.ts'
import { SECTOR } from './virtio-blk-request.ts'

export const QUEUE_SIZE = 256

/** struct virtio_blk_config, up to write_zeroes_may_unmap with its padding. */
const CONFIG = {
  capacity: 0,
  sizeMax: 8,
  segMax: 12,
  blkSize: 20,
  physicalBlockExp: 24,
  minIoSize: 26,
  writeback: 32,
  maxDiscardSectors: 36,
  maxDiscardSeg: 40,
  discardSectorAlignment: 44,
  maxWriteZeroesSectors: 48,
  maxWriteZeroesSeg: 52,
  writeZeroesMayUnmap: 56,
  bytes: 60,
} as const

export const WRITEBACK_OFFSET = CONFIG.writeback

/** Host file systems and their page cache work in pages: 2^3 sectors. */
const PHYSICAL_BLOCK_EXP = 3

/** Header and status take a descriptor each, and a chain is never longer than the queue (§2.7.5.3.1). */
const SEGMENTS = QUEUE_SIZE - 2
const SEGMENT_BYTES = 256 * 1024
/** Data goes by reference; this bounds how long the host is busy with one request. A driver that keeps to both is within. */
export const MAX_CHAIN_BYTES = QUEUE_SIZE * SEGMENT_BYTES

export const blkConfig = (disk: Disk): Uint8Array => {
  const view = new DataView(new ArrayBuffer(CONFIG.bytes))
  view.setBigUint64(CONFIG.capacity, BigInt(disk.bytes / SECTOR), true)
  view.setUint32(CONFIG.sizeMax, SEGMENT_BYTES, true)
  view.setUint32(CONFIG.segMax, SEGMENTS, true)
  view.setUint32(CONFIG.blkSize, SECTOR, true)
  view.setUint8(CONFIG.physicalBlockExp, PHYSICAL_BLOCK_EXP)
  view.setUint16(CONFIG.minIoSize, 2 ** PHYSICAL_BLOCK_EXP, true)
  view.setUint8(CONFIG.writeback, 1)
  if (!disk.readOnly) {
    view.setUint32(CONFIG.maxDiscardSectors, MAX_RANGE_SECTORS, true)
    view.setUint32(CONFIG.maxDiscardSeg, MAX_RANGES, true)
    view.setUint32(CONFIG.discardSectorAlignment, 2 ** PHYSICAL_BLOCK_EXP, true)
    view.setUint32(CONFIG.maxWriteZeroesSectors, MAX_RANGE_SECTORS, true)
    view.setUint32(CONFIG.maxWriteZeroesSeg, MAX_RANGES, true)
    view.setUint8(CONFIG.writeZeroesMayUnmap, 1)
  }
  return new Uint8Array(view.buffer)
}
