/**
 * A split virtqueue, seen from the device: takes chains from the available ring, gives them back through the used ring,
 * and knows when the driver wants to hear of it. virtio 1.2 §2.7
 */
import { BugError } from '../errors.ts'
import { type Chain, type ChainOwner, QueueChain } from './chain.ts'
import { type ChainLimits, readChain } from './descriptors.ts'
import type { DeviceQueue, QueueSpec } from './device.ts'
import { DriverError } from './driver-error.ts'
import type { GuestViews } from './guest-views.ts'
import { type Clock, RateLimiter } from './rate-limiter.ts'
import { mapRingAreas, type QueueSetup, type RingAreas } from './ring-areas.ts'
import { hex, type Json, SavedFields } from './saved-state.ts'

export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1

/** With more entries a batch could wrap the 16-bit index twice; no device needs them. */
const MAX_SIZE = 1024
const DEFAULT_MAX_CHAIN_BYTES = 16 * 2 ** 20
/** Offsets in halfwords, in both rings. */
const IDX = 1
const RING = 2

/** What one call of a device's handler may take before other queues and other VMs get their turn. */
export interface Budget {
  readonly chains: number
  /** The chain that crosses this line is still handed out. */
  readonly bytes: number
}

/** What a queue asks of whoever it belongs to. */
export interface QueueOwner {
  /** A chain was given back. */
  used(): void
  /** The queue's rate lets chains pass again. */
  ready(index: number): void
  readonly clock: Clock
}

export class VirtQueue implements DeviceQueue, ChainOwner {
  readonly index: number
  readonly name: string
  readonly maxSize: number
  /** What the driver wrote; live registers until the queue is made ready. */
  readonly setup: QueueSetup
  readonly #views: GuestViews
  readonly #maxChainBytes: number
  readonly #turnBytes: number | undefined
  readonly #owner: QueueOwner
  readonly #limiter: RateLimiter | undefined

  #areas: RingAreas | undefined
  #limits: ChainLimits
  #eventIdx = false
  #chains: QueueChain[] = []
  #taken = 0
  #sequence = 0
  /** The next available entry to take, and how far the driver was when last asked. */
  #nextAvailable = 0
  #seenAvailable = 0
  #nextUsed = 0
  #publishedUsed = 0
  #chainsLeft = 0
  #bytesLeft = 0
  #limited = false
  /** Heads in flight when the queue was saved: handed out again before anything new. */
  #again: number[] = []

  constructor(index: number, spec: QueueSpec, views: GuestViews, owner: QueueOwner) {
    const { name, maxSize, maxChainBytes = DEFAULT_MAX_CHAIN_BYTES, turnBytes, rate } = spec
    if (maxSize < 1 || maxSize > MAX_SIZE || (maxSize & (maxSize - 1)) !== 0)
      throw new BugError(`Cannot offer ${name}: a maximum size of ${maxSize} is not a power of two up to ${MAX_SIZE}.`)
    this.index = index
    this.name = name
    this.maxSize = maxSize
    this.setup = { size: maxSize, descriptors: 0n, available: 0n, used: 0n }
    this.#views = views
    this.#maxChainBytes = maxChainBytes
    this.#turnBytes = turnBytes
    this.#owner = owner
    this.#limiter = rate && new RateLimiter(rate, owner.clock, () => owner.ready(index))
    this.#limits = { maxBytes: maxChainBytes, indirect: false }
  }

  get ready(): boolean {
    return this.#areas !== undefined
  }

  get size(): number {
    return this.setup.size
  }

  get waiting(): number {
    const areas = this.#areas
    if (areas === undefined) return 0
    return this.#again.length + ((Atomics.load(areas.available, IDX) - this.#nextAvailable) & 0xffff)
  }

  /** Chains that the device holds. */
  get inFlight(): number {
    return this.#taken
  }

  /** QueueReady = 1. @throws DriverError when what the driver set up is not a queue. */
  enable({ indirect, eventIdx }: { indirect: boolean; eventIdx: boolean }): void {
    const areas = mapRingAreas(this.#views, this.setup, this.maxSize)
    this.#limits = { maxBytes: this.#maxChainBytes, indirect }
    this.#eventIdx = eventIdx
    this.#chains = Array.from({ length: areas.size }, (_, head) => new QueueChain(this, head))
    this.#areas = areas
  }

  /** QueueReady = 0: chains in flight turn stale, so that completing one later touches nothing. */
  disable(): void {
    for (const chain of this.#chains) chain.stale = true
    this.#areas = undefined
    this.#chains = []
    this.#again = []
    this.#taken = this.#sequence = 0
    this.#nextAvailable = this.#seenAvailable = this.#nextUsed = this.#publishedUsed = 0
    this.#chainsLeft = this.#bytesLeft = 0
    this.#limiter?.stop()
  }

  reset(): void {
    this.disable()
    Object.assign(this.setup, { size: this.maxSize, descriptors: 0n, available: 0n, used: 0n })
  }

  /** Lets the device take chains until `endTurn`, as fast as they come unless `limited` by their rate. */
  beginTurn(budget: Budget, limited = true): void {
    this.#limited = limited && this.#limiter !== undefined
    this.#chainsLeft = Math.min(budget.chains, this.setup.size)
    this.#bytesLeft = this.#turnBytes ?? budget.bytes
  }

  /** @returns whether the budget ran out, so that there may be more to do. */
  endTurn(): boolean {
    const ranOut = this.#chainsLeft === 0 || this.#bytesLeft <= 0
    this.#chainsLeft = 0
    return ranOut
  }

  next(): Chain | undefined {
    const areas = this.#areas
    if (areas === undefined || this.#chainsLeft === 0 || this.#bytesLeft <= 0) return undefined
    // What comes again after a restore was paid for when it came first.
    const again = this.#again.length > 0 ? this.#again.shift() : undefined
    if (again === undefined && this.#limited && this.waiting > 0 && !this.#limiter!.ready()) return undefined
    const head = again ?? this.#takeHead(areas)
    if (head === undefined) return undefined
    const chain = this.#chains[head]
    if (chain === undefined) throw new DriverError(`available head ${head} is outside a queue of ${areas.size}`)
    // Every head is one request at a time; this also bounds what is in flight by the queue size.
    if (!chain.stale) throw new DriverError(`available head ${head} is still in use`)
    chain.open(this.#sequence++)
    this.#taken++
    readChain(this.#views, areas, this.#limits, chain)
    this.#chainsLeft--
    const bytes = chain.readableBytes + chain.writableBytes
    this.#bytesLeft -= bytes
    if (again === undefined) this.#limiter?.take(bytes)
    return chain
  }

  later(): void {
    this.#chainsLeft = 0
  }

  giveBack(chain: QueueChain, written: number): void {
    const areas = this.#areas
    if (areas === undefined) return
    const at = (this.#nextUsed & (areas.size - 1)) * 8
    areas.usedElements.setUint32(at, chain.head, true)
    areas.usedElements.setUint32(at + 4, written, true)
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff
    this.#taken--
    this.#limiter?.giveBack(chain.writableBytes - written)
    this.#owner.used()
  }

  /** Makes what was given back visible to the driver. @returns whether the driver wants an interrupt for it. */
  publish(): boolean {
    const areas = this.#areas
    if (areas === undefined || this.#nextUsed === this.#publishedUsed) return false
    const old = this.#publishedUsed
    const now = this.#nextUsed
    this.#publishedUsed = now
    // Sequentially consistent: the index is out before the driver's wish is read (§2.7.7.2, §2.7.10).
    Atomics.store(areas.used, IDX, now)
    if (!this.#eventIdx) return (Atomics.load(areas.available, 0) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0
    const event = Atomics.load(areas.available, RING + areas.size)
    return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff)
  }

  save(): Json {
    const { size, descriptors, available, used } = this.setup
    const taken = this.#chains.filter((chain) => !chain.stale).sort((a, b) => a.sequence - b.sequence)
    return {
      size,
      descriptors: hex(descriptors),
      available: hex(available),
      used: hex(used),
      ready: this.ready,
      nextAvailable: this.#nextAvailable,
      nextUsed: this.#nextUsed,
      publishedUsed: this.#publishedUsed,
      inFlight: [...taken.map(({ head }) => head), ...this.#again],
      ...(this.#limiter && { rate: this.#limiter.save() }),
    }
  }

  /** @throws HostError for a state of another shape, DriverError when its areas do not fit this memory. */
  restore(state: Json | undefined, features: { indirect: boolean; eventIdx: boolean }): void {
    const saved = new SavedFields(`queue ${this.name}`, state)
    this.reset()
    this.#limiter?.restore(saved.optional('rate'))
    this.setup.size = saved.integer('size', 0xffffffff)
    this.setup.descriptors = saved.u64('descriptors')
    this.setup.available = saved.u64('available')
    this.setup.used = saved.u64('used')
    if (!saved.boolean('ready')) return
    this.enable(features)
    this.#nextAvailable = this.#seenAvailable = saved.integer('nextAvailable', 0xffff)
    this.#nextUsed = saved.integer('nextUsed', 0xffff)
    this.#publishedUsed = saved.integer('publishedUsed', 0xffff)
    this.#again = saved.integers('inFlight', this.setup.size, this.setup.size - 1)
  }

  /** No kick for the next chain, please (§2.7.10). @returns false where the driver heeds no such wish */
  holdKicks(): boolean {
    return this.#wishKickAfter(this.#nextAvailable - 1)
  }

  /** Look once more afterwards: one may have come in between. */
  wantKicks(): void {
    this.#wishKickAfter(this.#nextAvailable)
  }

  #wishKickAfter(index: number): boolean {
    const areas = this.#areas
    if (areas === undefined || !this.#eventIdx) return false
    Atomics.store(areas.used, RING + 4 * areas.size, index & 0xffff)
    return true
  }

  /** The next head from the available ring; asks the driver for a kick when there is none. */
  #takeHead(areas: RingAreas): number | undefined {
    if (this.#nextAvailable === this.#seenAvailable && !this.#lookAgain(areas)) {
      if (!this.#eventIdx) return undefined
      // avail_event: kick me for the next one. Then look once more, for one that came in between (§2.7.10).
      this.wantKicks()
      if (!this.#lookAgain(areas)) return undefined
    }
    const slot = this.#nextAvailable & (areas.size - 1)
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff
    return areas.available[RING + slot]!
  }

  #lookAgain(areas: RingAreas): boolean {
    const seen = Atomics.load(areas.available, IDX)
    const waiting = (seen - this.#nextAvailable) & 0xffff
    // More than all descriptors there are: the index jumped (§2.7.13.3).
    if (waiting > areas.size)
      throw new DriverError(`the available index jumped by ${waiting} in a queue of ${areas.size}`)
    this.#seenAvailable = seen
    return waiting > 0
  }
}
