/** Block device: sectors of a disk, read and written by request. virtio 1.2 §5.2 */
import type { Disk, DiskDone } from '../backends/disk/disk.ts'
import { HostError } from '../errors.ts'
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import { type DeviceHost, type DeviceQueue, type QueueSpec, VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'
import { DriverError } from '../virtio/driver-error.ts'
import type { RateLimit } from '../virtio/rate-limiter.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import { UnderWay } from '../virtio/under-way.ts'
import { blkConfig, MAX_CHAIN_BYTES, QUEUE_SIZE, WRITEBACK_OFFSET } from './virtio-blk-config.ts'
import { type DiscardRange, rangesOf } from './virtio-blk-ranges.ts'
import {
  HEADER_BYTES,
  ID_BYTES,
  SECTOR,
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_SIZE_MAX,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_WRITE_ZEROES,
  VIRTIO_BLK_S,
  VIRTIO_BLK_T,
} from './virtio-blk-request.ts'

export interface VirtioBlk extends VirtioDevice {
  idle(): Promise<void>
}

export interface VirtioBlkOptions {
  /**
   * A saved driver may find another disk here than it had, of any size: it has not looked at that one yet, and is told
   * the size of this one.
   */
  readonly exchanged?: boolean
}

/** @param rate how fast requests are taken */
export const virtioBlk = (disk: Disk, rate?: RateLimit, options: VirtioBlkOptions = {}): VirtioBlk =>
  new Block(disk, rate, options)

/** Copies between guest and page cache, a millisecond or so of them; what is not cached takes no time of ours. */
const TURN_BYTES = 8 * 2 ** 20

class Block implements VirtioBlk {
  readonly id = VIRTIO_ID.block
  readonly name = 'blk'
  readonly features: bigint
  readonly config: Uint8Array
  readonly queues: readonly QueueSpec[]
  readonly #disk: Disk
  readonly #header = new Uint8Array(HEADER_BYTES)
  readonly #fields = new DataView(this.#header.buffer)
  /** Features negotiated; none before DRIVER_OK. */
  #negotiated = 0n
  readonly #underWay = new UnderWay({ drain: () => this.#disk.drain(), serve: () => this.#host?.serve(0) })
  #host: DeviceHost | undefined
  readonly #exchanged: boolean
  /** The driver knows another size. */
  #resized = false

  constructor(disk: Disk, rate: RateLimit | undefined, { exchanged = false }: VirtioBlkOptions) {
    this.#exchanged = exchanged
    this.queues = [
      {
        name: 'requestq',
        maxSize: QUEUE_SIZE,
        maxChainBytes: MAX_CHAIN_BYTES,
        turnBytes: TURN_BYTES,
        look: true,
        rate,
      },
    ]
    this.#disk = disk
    this.config = blkConfig(disk)
    const writable = VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE | VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES
    this.features =
      VIRTIO_BLK_F_SIZE_MAX |
      VIRTIO_BLK_F_SEG_MAX |
      VIRTIO_BLK_F_BLK_SIZE |
      VIRTIO_BLK_F_TOPOLOGY |
      (disk.readOnly ? VIRTIO_BLK_F_RO | VIRTIO_BLK_F_FLUSH : writable)
  }

  activate(host: DeviceHost): void {
    this.#host = host
    this.#negotiated = host.features
    // §5.2.5.2: a driver that cannot flush never has a cache to flush.
    if (!this.#has(VIRTIO_BLK_F_FLUSH)) this.config[WRITEBACK_OFFSET] = 0
    if (this.#resized) host.configChanged()
    this.#resized = false
  }

  /** `writeback` alone is the driver's to write (§5.2.5.2): 0 makes every write stable before it is answered. */
  writeConfig(offset: number, bytes: Uint8Array): void {
    if (offset === WRITEBACK_OFFSET && bytes.length === 1 && (this.features & VIRTIO_BLK_F_CONFIG_WCE) !== 0n)
      this.config[WRITEBACK_OFFSET] = bytes[0]! & 1
  }

  onAvailable(_index: number, queue: DeviceQueue): void {
    if (this.#underWay.leftovers) return
    try {
      for (let chain = queue.next(); chain; chain = queue.next()) this.#begin(chain)
    } finally {
      // Also after a mistake: the requests before it are good.
      this.#disk.submit()
    }
  }

  queueDisabled(): void {
    this.#underWay.letGo()
  }

  reset(): void {
    this.#underWay.letGo()
    this.#host = undefined
    this.#negotiated = 0n
    this.config[WRITEBACK_OFFSET] = 1
  }

  idle(): Promise<void> {
    return this.#underWay.idle()
  }

  /** Requests under way come again after a restore; each gives the same when done twice. */
  save(): Json {
    return { bytes: this.#disk.bytes, readOnly: this.#disk.readOnly, writeback: this.config[WRITEBACK_OFFSET]! }
  }

  restore(state: Json): void {
    const saved = new SavedFields('virtio-blk', state)
    const bytes = saved.integer('bytes', Number.MAX_SAFE_INTEGER)
    const readOnly = saved.boolean('readOnly')
    this.#resized = bytes !== this.#disk.bytes
    if ((this.#resized && !this.#exchanged) || readOnly !== this.#disk.readOnly)
      throw new HostError(`Cannot restore virtio-blk: its disk had ${bytes} bytes, this one has ${this.#disk.bytes}.`)
    this.config[WRITEBACK_OFFSET] = saved.integer('writeback', 1)
  }

  /** The header is the first 16 readable bytes and the status the last writable one, however they are framed (§2.7.4). */
  #begin(chain: Chain): void {
    if (chain.writableBytes === 0) throw new DriverError('a block request without room for its status')
    if (gather(chain.readable, this.#header) < HEADER_BYTES)
      throw new DriverError(`a block request with a header of ${chain.readableBytes} bytes`)
    const fields = this.#fields
    // Beyond 2^53 not exact, and past the end of any disk all the same.
    const sector = fields.getUint32(12, true) * 2 ** 32 + fields.getUint32(8, true)
    switch (fields.getUint32(0, true)) {
      case VIRTIO_BLK_T.IN:
        this.#read(chain, sector)
        break
      case VIRTIO_BLK_T.OUT:
        this.#write(chain, sector)
        break
      case VIRTIO_BLK_T.FLUSH:
        this.#start(chain, (done) => this.#disk.flush(done))
        break
      case VIRTIO_BLK_T.GET_ID:
        answer(chain, VIRTIO_BLK_S.OK, this.#writeId(chain))
        break
      case VIRTIO_BLK_T.DISCARD:
        this.#onRanges(chain, 'discard')
        break
      case VIRTIO_BLK_T.WRITE_ZEROES:
        this.#onRanges(chain, 'writeZeroes')
        break
      default:
        answer(chain, VIRTIO_BLK_S.UNSUPP, 0)
    }
  }

  #read(chain: Chain, sector: number): void {
    const length = chain.writableBytes - 1
    if (!this.#fits(sector, length)) answer(chain, VIRTIO_BLK_S.IOERR, 0)
    else this.#start(chain, (done) => this.#disk.read(sector * SECTOR, chain.writable, 0, length, done), length)
  }

  #write(chain: Chain, sector: number): void {
    const length = chain.readableBytes - HEADER_BYTES
    if (this.#disk.readOnly || !this.#fits(sector, length)) answer(chain, VIRTIO_BLK_S.IOERR, 0)
    else
      this.#start(chain, (done) => {
        this.#disk.write(sector * SECTOR, chain.readable, HEADER_BYTES, length, this.#whenStable(chain, done))
      })
  }

  #onRanges(chain: Chain, command: 'discard' | 'writeZeroes'): void {
    const ranges = this.#disk.readOnly ? VIRTIO_BLK_S.IOERR : rangesOf(chain, command, this.#disk.bytes / SECTOR)
    if (typeof ranges === 'number') answer(chain, ranges, 0)
    else
      this.#start(chain, (done) => {
        const last = command === 'discard' ? done : this.#whenStable(chain, done)
        // Nobody waits for the rest of what a driver asked for that is gone.
        forEachRange(ranges, (range, next) => (chain.stale ? last(0) : this.#onRange(command, range, next)), last)
      })
  }

  #onRange(command: 'discard' | 'writeZeroes', { sector, sectors, unmap }: DiscardRange, done: DiskDone): void {
    if (sectors === 0) done(0)
    else if (command === 'discard') this.#disk.discard(sector * SECTOR, sectors * SECTOR, done)
    else this.#disk.writeZeroes(sector * SECTOR, sectors * SECTOR, unmap, done)
  }

  /** Gives work to the disk, and the chain back when that is done. @param written data bytes, if all goes well */
  #start(chain: Chain, work: (done: DiskDone) => void, written = 0): void {
    this.#underWay.begin()
    work((errno) => {
      if (!chain.stale) answer(chain, errno === 0 ? VIRTIO_BLK_S.OK : VIRTIO_BLK_S.IOERR, errno === 0 ? written : 0)
      this.#underWay.end()
    })
  }

  /** §5.2.6.2: without a cache to flush, a write is stable when it is answered. */
  #whenStable(chain: Chain, done: DiskDone): DiskDone {
    if (this.config[WRITEBACK_OFFSET] !== 0) return done
    return (errno) => {
      if (errno !== 0 || chain.stale) {
        done(errno)
        return
      }
      this.#disk.flush(done)
      this.#disk.submit()
    }
  }

  #writeId(chain: Chain): number {
    const bytes = new Uint8Array(Math.min(ID_BYTES, chain.writableBytes - 1))
    bytes.set(new TextEncoder().encode(this.#disk.id).subarray(0, bytes.length))
    return scatter(chain.writable, bytes)
  }

  /** Whole sectors, all of them on the disk. */
  #fits(sector: number, length: number): boolean {
    const capacity = this.#disk.bytes / SECTOR
    return length % SECTOR === 0 && sector <= capacity && length / SECTOR <= capacity - sector
  }

  #has(feature: bigint): boolean {
    return (this.#negotiated & feature) !== 0n
  }
}

/** One after the other; the first that fails is the end. */
function forEachRange(
  ranges: readonly DiscardRange[],
  work: (range: DiscardRange, next: DiskDone) => void,
  done: DiskDone,
): void {
  const step = (index: number): void => {
    const range = ranges[index]
    if (range === undefined) done(0)
    else work(range, (errno) => (errno === 0 ? step(index + 1) : done(errno)))
  }
  step(0)
}

/** @param data bytes written from the start of the writable part; the used length promises no byte that was not (§2.7.8.2) */
function answer(chain: Chain, status: number, data: number): void {
  const last = chain.writable[chain.writable.length - 1]!
  last[last.length - 1] = status
  chain.complete(data === chain.writableBytes - 1 ? data + 1 : data)
}
