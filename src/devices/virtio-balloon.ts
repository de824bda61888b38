/**
 * Memory balloon: the guest gives pages to the host and takes them back, as the host asks; reports pages that are free
 * anyway; and says how it uses its memory. virtio 1.2 §5.5
 */
import type { MemoryReclaimer } from '../backends/memory-reclaimer.ts'
import { type Chain, gather } from '../virtio/chain.ts'
import { type DeviceHost, type DeviceQueue, VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import { FreePageReport, SLICE_BYTES } from './virtio-balloon-report.ts'
import { type GuestMemoryStatistics, readStatistics } from './virtio-balloon-statistics.ts'

export const VIRTIO_BALLOON_F_STATS_VQ = 1n << 1n
export const VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 1n << 2n
export const VIRTIO_BALLOON_F_PAGE_POISON = 1n << 4n
export const VIRTIO_BALLOON_F_PAGE_REPORTING = 1n << 5n

/** struct virtio_balloon_config: le32 num_pages, le32 actual, le32 free_page_hint_cmd_id, le32 poison_val. §5.5.4 */
const CONFIG = { numPages: 0, actual: 4, poison: 12, bytes: 16 } as const

/** Page frame numbers count pages of this size, whatever the guest's are. §5.5.6 */
const PAGE_BYTES = 4096
/** Page frame numbers of one request, each a system call at worst; Linux sends 256, and so many make a turn. */
const LIST_MAX = 1024
const TURN_BYTES = 4 * 256
/** Each report is a few ranges of megabytes, of which so much goes back in one turn; the views of them cost nothing. */
const REPORT_MAX_BYTES = 2 ** 40

const INFLATE = 0
const STATS = 2

export interface BalloonOptions {
  /** All memory of the guest. */
  readonly memoryBytes: number
  readonly reclaimer: MemoryReclaimer
}

export interface VirtioBalloon extends VirtioDevice {
  /** What the guest is asked to live with, in bytes; it takes its time, and may refuse or take it back in need. */
  setTarget(bytes: number): void
  readonly targetBytes: number
  /** What it lives with now, as its driver says. */
  readonly actualBytes: number
  /** As of the last answer; asks for the next one. Undefined before the first, and without a driver. */
  statistics(): GuestMemoryStatistics | undefined
}

export const virtioBalloon = (options: BalloonOptions): VirtioBalloon => new Balloon(options)

class Balloon implements VirtioBalloon {
  readonly id = VIRTIO_ID.balloon
  readonly name = 'balloon'
  // Not MUST_TELL_HOST: a page taken back without a word holds zeros, or what it held once, and that is all.
  readonly features =
    VIRTIO_BALLOON_F_STATS_VQ |
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
    VIRTIO_BALLOON_F_PAGE_POISON |
    VIRTIO_BALLOON_F_PAGE_REPORTING
  readonly config = new Uint8Array(CONFIG.bytes)
  /**
   * The reporting queue is the fifth, §5.5.2. Drivers before Linux 6.11 leave no gap for the hinting queue that is not
   * offered and use the fourth: either will do. Linux insists on 32 entries there.
   */
  readonly queues = [
    { name: 'inflateq', maxSize: 8, maxChainBytes: 4 * LIST_MAX, turnBytes: TURN_BYTES },
    { name: 'deflateq', maxSize: 8, maxChainBytes: 4 * LIST_MAX },
    { name: 'statsq', maxSize: 8 },
    { name: 'reporting_vq without free_page_vq', maxSize: 32, maxChainBytes: REPORT_MAX_BYTES },
    { name: 'reporting_vq', maxSize: 32, maxChainBytes: REPORT_MAX_BYTES },
  ]
  readonly #view = new DataView(this.config.buffer)
  readonly #memoryBytes: number
  readonly #reclaimer: MemoryReclaimer
  #host: DeviceHost | undefined
  /** The driver's buffer for statistics: used up to ask for the next ones. */
  #statsBuffer: Chain | undefined
  #statistics: GuestMemoryStatistics | undefined
  /** Reports that have partly gone back, by their queues. */
  readonly #begun = new Map<number, FreePageReport>()

  constructor({ memoryBytes, reclaimer }: BalloonOptions) {
    this.#memoryBytes = memoryBytes
    this.#reclaimer = reclaimer
  }

  setTarget(bytes: number): void {
    const pages = Math.floor((this.#memoryBytes - bytes) / PAGE_BYTES)
    this.#view.setUint32(CONFIG.numPages, Math.min(Math.max(pages, 0), 0xffffffff), true)
    this.#host?.configChanged()
  }

  get targetBytes(): number {
    return this.#without(this.#view.getUint32(CONFIG.numPages, true))
  }

  get actualBytes(): number {
    return this.#without(this.#view.getUint32(CONFIG.actual, true))
  }

  statistics(): GuestMemoryStatistics | undefined {
    const buffer = this.#statsBuffer
    this.#statsBuffer = undefined
    buffer?.complete(0)
    return this.#statistics
  }

  activate(host: DeviceHost): void {
    this.#host = host
  }

  onAvailable(index: number, queue: DeviceQueue): void {
    if (index > STATS) {
      this.#takeReports(index, queue)
      return
    }
    for (let chain = queue.next(); chain; chain = queue.next()) {
      if (index === STATS) this.#keepStatistics(chain)
      else {
        if (index === INFLATE) this.#inflate(chain)
        // A page that was given back is there again as soon as it is touched.
        chain.complete(0)
      }
    }
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    // What else is there is the device's to write. Some drivers write byte by byte (§5.5.6).
    for (const [i, byte] of bytes.entries()) if (isDrivers(offset + i)) this.config[offset + i] = byte
  }

  halted(): void {
    this.#forget()
  }

  reset(): void {
    this.#forget()
    this.#view.setUint32(CONFIG.actual, 0, true)
    this.#view.setUint32(CONFIG.poison, 0, true)
  }

  save(): Json {
    return { config: [...this.config] }
  }

  restore(state: Json): void {
    const config = new SavedFields('virtio-balloon', state).integers('config', CONFIG.bytes, 0xff)
    this.config.set(config)
  }

  /** Lists of le32 page frame numbers: sorted, so that neighbours go together and one that comes twice goes once. */
  #inflate({ readable, readableBytes }: Chain): void {
    const bytes = new Uint8Array(readableBytes - (readableBytes % 4))
    gather(readable, bytes)
    const frames = new Uint32Array(bytes.buffer).sort()
    for (let i = 0; i < frames.length; ) {
      const first = frames[i]!
      let end = first + 1
      while (++i < frames.length && frames[i]! <= end) end = frames[i]! + 1
      this.#reclaimer.release(first * PAGE_BYTES, (end - first) * PAGE_BYTES)
    }
  }

  /** What was begun comes first; each is given back when all of it has gone. */
  #takeReports(index: number, queue: DeviceQueue): void {
    for (let left = SLICE_BYTES; left > 0; ) {
      const report = this.#begun.get(index) ?? this.#begin(index, queue)
      if (!report) return
      if (this.#mayRelease(report)) left -= report.release(this.#reclaimer, left)
      if (!report.done && this.#mayRelease(report)) break
      this.#begun.delete(index)
      report.chain.complete(0)
    }
    queue.later()
  }

  #begin(index: number, queue: DeviceQueue): FreePageReport | undefined {
    const chain = queue.next()
    if (!chain) return undefined
    const report = new FreePageReport(chain)
    this.#begun.set(index, report)
    return report
  }

  /** With a pattern in them that the guest counts on free pages must stay as they are (§5.5.6.7). */
  #mayRelease({ chain }: FreePageReport): boolean {
    const negotiated = ((this.#host?.features ?? 0n) & VIRTIO_BALLOON_F_PAGE_REPORTING) !== 0n
    return negotiated && !chain.stale && this.#view.getUint32(CONFIG.poison, true) === 0
  }

  #keepStatistics(chain: Chain): void {
    // There is one at most (§5.5.6.3); of more the last is kept.
    this.#statsBuffer?.complete(0)
    this.#statsBuffer = chain
    this.#statistics = readStatistics(chain)
  }

  #without(pages: number): number {
    return Math.max(0, this.#memoryBytes - pages * PAGE_BYTES)
  }

  #forget(): void {
    this.#host = undefined
    this.#statsBuffer = undefined
    this.#statistics = undefined
    this.#begun.clear()
  }
}

const isDrivers = (offset: number): boolean =>
  (offset >= CONFIG.actual && offset < CONFIG.actual + 4) || (offset >= CONFIG.poison && offset < CONFIG.poison + 4)
