/**
 * What a virtio device is to the transport that carries it. A device sees descriptor chains and its backend: no guest
 * address, no ring, no interrupt line, no status register. virtio 1.2 §2
 */
import type { Chain } from './chain.ts'
import type { RateLimit } from './rate-limiter.ts'
import type { Json } from './saved-state.ts'

/** Device identifiers, virtio 1.2 §5. */
export const VIRTIO_ID = { net: 1, block: 2, console: 3, entropy: 4, balloon: 5, transport9p: 9, vsock: 19 } as const

/** Feature bits that the transport and the queues own, virtio 1.2 §6. */
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n
export const VIRTIO_F_EVENT_IDX = 1n << 29n
export const VIRTIO_F_VERSION_1 = 1n << 32n

export interface QueueSpec {
  /** As the specification calls it, e.g. `requestq`. */
  readonly name: string
  /** Largest queue size offered: a power of two, at most 1024. */
  readonly maxSize: number
  /** Most bytes that one chain may describe; a longer one is a driver's mistake. 16 MiB unless said. */
  readonly maxChainBytes?: number
  /** Bytes that one call of `onAvailable` may take, where a byte costs more or less than most: some 2 MiB unless said. */
  readonly turnBytes?: number
  /** Its chains are mostly completed at once, so that the next one is worth looking for (lookout.ts). */
  readonly look?: boolean
  /** How fast chains may be taken; their bytes are those read and those written. Not limited unless said. */
  readonly rate?: RateLimit
}

/** A queue as its device sees it. */
export interface DeviceQueue {
  readonly index: number
  readonly name: string
  /** The driver has set it up. */
  readonly ready: boolean
  /** Entries that the driver gave it. */
  readonly size: number
  /** Chains made available and not taken yet. */
  readonly waiting: number
  /**
   * Takes the next chain the driver made available. Only inside `onAvailable`, which gives each call a bounded number
   * of chains and bytes: after `undefined`, return; whatever is left comes in a later call.
   * @throws DriverError when the driver broke a rule: let it pass, the transport answers it.
   */
  next(): Chain | undefined
  /** Ends this call of `onAvailable`; another comes in a later turn of the event loop, for what is left of a chain. */
  later(): void
}

/** What the transport offers a device from DRIVER_OK to reset. */
export interface DeviceHost {
  /** Features negotiated, the transport's own included. */
  readonly features: bigint
  queue(index: number): DeviceQueue
  /** Asks for a call of `onAvailable`, because the backend has room or data again. May be called at any time. */
  serve(queueIndex: number): void
  /** The device changed its configuration space: the driver is told. */
  configChanged(): void
}

export interface VirtioDevice {
  /** One of VIRTIO_ID. */
  readonly id: number
  /** For messages, e.g. `rng`. */
  readonly name: string
  /** Device-specific feature bits offered; the transport adds its own. */
  readonly features: bigint
  /** The configuration space, live and little-endian. Change it, then call `configChanged`. */
  readonly config: Uint8Array
  readonly queues: readonly QueueSpec[]
  /** The driver wrote inside the configuration space. Without this method it is read-only. May come before `activate`. */
  writeConfig?(offset: number, bytes: Uint8Array): void
  /** DRIVER_OK was set, or a saved device that had it was restored. `onAvailable` follows for each ready queue. */
  activate(host: DeviceHost): void
  /**
   * The driver has made chains available, or `serve` was called. Take chains with `queue.next()` and complete each one,
   * now or later and in any order. A chain kept for later may turn `stale`: drop it then.
   */
  onAvailable(queueIndex: number, queue: DeviceQueue): void
  /** The driver stopped a queue that was ready: its chains are stale, and their buffers are the driver's again. */
  queueDisabled?(queueIndex: number): void
  /** Something went wrong (DEVICE_NEEDS_RESET, FAILED): nothing is served any more until a reset. */
  halted?(): void
  /** Resolves when the host no longer touches buffers of chains, stale ones included. Without it, it never does later. */
  idle?(): Promise<void>
  /** Back to the state before any driver came. Chains still held are stale; completing one does nothing. */
  reset(): void
  /**
   * The device's own state. Chains taken and not completed are the queue's to remember: after a restore they come
   * again, first and in the same order.
   */
  save(): Json
  /** Before `activate`. @throws HostError when the state is not one of this device. */
  restore(state: Json): void
}
