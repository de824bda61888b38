/** Network card: Ethernet frames between a driver and a backend. virtio 1.2 §5.1 */
import type { NetBackend } from '../backends/net-backend.ts'
import { HostError } from '../errors.ts'
import { type DeviceHost, type DeviceQueue, type QueueSpec, VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'
import type { RateLimit } from '../virtio/rate-limiter.ts'
import { hex, type Json, SavedFields } from '../virtio/saved-state.ts'
import { answerControl } from './virtio-net-control.ts'
import {
  GUEST_OFFLOAD_BITS,
  toGuestBits,
  toGuestOffloads,
  toHostBits,
  toHostOffloads,
  VIRTIO_NET_F,
} from './virtio-net-features.ts'
import { NetReceiver } from './virtio-net-receive.ts'
import { NetTransmitter } from './virtio-net-transmit.ts'

/** struct virtio_net_config: u8 mac[6], le16 status, le16 max_virtqueue_pairs, le16 mtu. §5.1.4 */
const CONFIG = { mac: 0, status: 6, pairs: 8, mtu: 10, bytes: 12 } as const
const MAC_BYTES = 6
const VIRTIO_NET_S_LINK_UP = 1

const RECEIVEQ = 0
const TRANSMITQ = 1
const QUEUE_SIZE = 256

export interface NetOptions {
  readonly backend: NetBackend
  /** The card's address, 6 bytes: the only one that it sends from. */
  readonly mac: Uint8Array
  /** A restored driver is told of it by other means; else it keeps the address that it had. */
  readonly moved?: boolean
  /** In each direction; what it lets wait in the host, the host may drop. */
  readonly rate?: RateLimit
}

export interface NetCounters {
  readonly receivedFrames: number
  readonly receivedBytes: number
  readonly receiveDropped: number
  readonly sentFrames: number
  readonly sentBytes: number
  readonly sendDropped: number
}

export interface VirtioNet extends VirtioDevice {
  /** Since the driver came up. */
  counters(): NetCounters
}

export const virtioNet = (options: NetOptions): VirtioNet => new Net(options)

class Net implements VirtioNet {
  readonly id = VIRTIO_ID.net
  readonly name = 'net'
  readonly features: bigint
  readonly config = new Uint8Array(CONFIG.bytes)
  readonly queues: readonly QueueSpec[]
  readonly #view = new DataView(this.config.buffer)
  readonly #backend: NetBackend
  readonly #moved: boolean
  #host: DeviceHost | undefined
  #receiver: NetReceiver | undefined
  #transmitter: NetTransmitter | undefined
  /** What the driver takes at present, in feature bits; undefined until it said otherwise than by its features. */
  #guestOffloads: bigint | undefined

  constructor({ backend, mac, moved = false, rate }: NetOptions) {
    this.#moved = moved
    this.queues = [
      { name: 'receiveq', maxSize: QUEUE_SIZE, rate },
      { name: 'transmitq', maxSize: QUEUE_SIZE, rate },
      { name: 'controlq', maxSize: 64 },
    ]
    const { toHost, toGuest } = backend.offers
    this.features =
      VIRTIO_NET_F.MAC |
      VIRTIO_NET_F.STATUS |
      VIRTIO_NET_F.MTU |
      VIRTIO_NET_F.MRG_RXBUF |
      VIRTIO_NET_F.CTRL_VQ |
      VIRTIO_NET_F.CTRL_GUEST_OFFLOADS |
      VIRTIO_NET_F.CTRL_MAC_ADDR |
      toHostBits(toHost) |
      toGuestBits(toGuest)
    this.#backend = backend
    this.config.set(mac.subarray(0, MAC_BYTES), CONFIG.mac)
    this.#view.setUint16(CONFIG.pairs, 1, true)
    this.#view.setUint16(CONFIG.mtu, backend.mtu, true)
    this.#showLink()
    backend.listen({
      readable: () => this.#onReadable(),
      writable: () => this.#host?.serve(TRANSMITQ),
      linkChanged: () => this.#onLinkChanged(),
    })
  }

  activate(host: DeviceHost): void {
    this.#host = host
    const mtu = this.#view.getUint16(CONFIG.mtu, true)
    // Saved ones come from a file that anyone may have altered.
    const offloads = toGuestOffloads((this.#guestOffloads ?? host.features) & host.features)
    const mergeable = (host.features & VIRTIO_NET_F.MRG_RXBUF) !== 0n
    const source = this.#address.slice()
    this.#receiver = new NetReceiver(this.#backend, { mergeable, mtu }, offloads)
    this.#transmitter = new NetTransmitter(this.#backend, { offloads: toHostOffloads(host.features), mtu, source })
    this.#backend.setOffloads(offloads)
  }

  onAvailable(index: number, queue: DeviceQueue): void {
    if (index === RECEIVEQ) this.#receiver?.receive(queue)
    else if (index === TRANSMITQ) this.#transmitter?.transmit(queue)
    else this.#control(queue)
  }

  halted(): void {
    this.#backend.awaitFrames(false)
  }

  reset(): void {
    this.#backend.awaitFrames(false)
    this.#backend.setOffloads(toGuestOffloads(0n))
    this.#receiver?.clear()
    this.#host = this.#receiver = this.#transmitter = this.#guestOffloads = undefined
  }

  save(): Json {
    return {
      mac: [...this.#address],
      mtu: this.#view.getUint16(CONFIG.mtu, true),
      guestOffloads: this.#guestOffloads === undefined ? null : hex(this.#guestOffloads),
    }
  }

  /** The guest knows the address and the MTU already, so they come along, but for a card that was moved. */
  restore(state: Json): void {
    const saved = new SavedFields('virtio-net', state)
    const mac = saved.integers('mac', MAC_BYTES, 0xff)
    if (mac.length !== MAC_BYTES) throw new HostError('Cannot restore virtio-net: its saved address is too short.')
    if (!this.#moved) this.config.set(mac, CONFIG.mac)
    this.#view.setUint16(CONFIG.mtu, saved.integer('mtu', 0xffff), true)
    this.#guestOffloads = saved.value('guestOffloads') === null ? undefined : saved.u64('guestOffloads')
  }

  counters(): NetCounters {
    return {
      receivedFrames: this.#receiver?.frames ?? 0,
      receivedBytes: this.#receiver?.bytes ?? 0,
      receiveDropped: this.#receiver?.dropped ?? 0,
      sentFrames: this.#transmitter?.frames ?? 0,
      sentBytes: this.#transmitter?.bytes ?? 0,
      sendDropped: this.#transmitter?.dropped ?? 0,
    }
  }

  get #address(): Uint8Array {
    return this.config.subarray(CONFIG.mac, CONFIG.mac + MAC_BYTES)
  }

  #control(queue: DeviceQueue): void {
    const card = {
      // Without an answer Linux would change the address on its own, and every frame from it would be dropped.
      setAddress: (mac: Uint8Array) => isSameAddress(mac, this.#address),
      setOffloads: (bits: bigint) => this.#setOffloads(bits),
    }
    for (let chain = queue.next(); chain; chain = queue.next()) answerControl(chain, card)
  }

  /** Only what was negotiated can be switched (§5.1.6.5.6.2). */
  #setOffloads(bits: bigint): boolean {
    const features = this.#host?.features ?? 0n
    if ((features & VIRTIO_NET_F.CTRL_GUEST_OFFLOADS) === 0n) return false
    if ((bits & ~(features & GUEST_OFFLOAD_BITS)) !== 0n) return false
    this.#guestOffloads = bits
    const offloads = toGuestOffloads(bits)
    this.#receiver?.setOffloads(offloads)
    this.#backend.setOffloads(offloads)
    return true
  }

  #onReadable(): void {
    // A queue that is not set up will not be before the next reset.
    if (this.#host?.queue(RECEIVEQ).ready) this.#host.serve(RECEIVEQ)
    else this.#backend.awaitFrames(false)
  }

  #onLinkChanged(): void {
    this.#showLink()
    if (((this.#host?.features ?? 0n) & VIRTIO_NET_F.STATUS) !== 0n) this.#host?.configChanged()
  }

  #showLink(): void {
    this.#view.setUint16(CONFIG.status, this.#backend.linkUp ? VIRTIO_NET_S_LINK_UP : 0, true)
  }
}

const isSameAddress = (one: Uint8Array, other: Uint8Array): boolean => one.every((byte, at) => byte === other[at])
