/**
 * Frames of the guest. The first bytes of each are copied once, so that what was checked is what goes out; the rest goes
 * straight from the driver's buffers. virtio 1.2 §5.1.6.1, §5.1.6.2
 */
import type { NetBackend, Offloads } from '../backends/net-backend.ts'
import { type Chain, gather } from '../virtio/chain.ts'
import type { DeviceQueue } from '../virtio/device.ts'
import { admitHeader, ETHERNET_HEADER_BYTES, NET_HEADER_BYTES } from './virtio-net-header.ts'

/** Our header, and the Ethernet header with the addresses. */
const HEAD_BYTES = NET_HEADER_BYTES + ETHERNET_HEADER_BYTES
const SOURCE_AT = NET_HEADER_BYTES + 6

export interface TransmitTerms {
  readonly offloads: Offloads
  readonly mtu: number
  /** Frames from any other address are dropped. */
  readonly source: Uint8Array
}

/** From DRIVER_OK to reset. */
export class NetTransmitter {
  frames = 0
  bytes = 0
  /** Frames that were none, that lied, or that the host did not want. */
  dropped = 0
  readonly #backend: NetBackend
  readonly #terms: TransmitTerms
  // An ArrayBuffer of its own: a small array without one may be moved by the garbage collector.
  readonly #head = new Uint8Array(new ArrayBuffer(HEAD_BYTES))
  readonly #header = new DataView(this.#head.buffer, 0, NET_HEADER_BYTES)
  /** Its head is in `#head`; the host had no room for it. */
  #held: Chain | undefined

  constructor(backend: NetBackend, terms: TransmitTerms) {
    this.#backend = backend
    this.#terms = terms
  }

  transmit(queue: DeviceQueue): void {
    if (this.#held?.stale) this.#held = undefined
    if (this.#held && !this.#send(this.#held)) return
    for (let chain = queue.next(); chain; chain = queue.next()) {
      if (!this.#admit(chain)) {
        this.dropped++
        chain.complete(0)
      } else if (!this.#send(chain)) return
    }
  }

  #admit({ readable, readableBytes }: Chain): boolean {
    if (readableBytes < HEAD_BYTES) return false
    const first = readable[0]!
    const head = this.#head
    if (first.length >= HEAD_BYTES) for (let at = 0; at < HEAD_BYTES; at++) head[at] = first[at]!
    else gather(readable, head)
    const { offloads, mtu, source } = this.#terms
    return isFrom(source, head) && admitHeader(this.#header, readableBytes - NET_HEADER_BYTES, offloads, mtu)
  }

  /** @returns whether the chain is out of our hands */
  #send(chain: Chain): boolean {
    const outcome = this.#backend.send(this.#head, chain.readable, HEAD_BYTES)
    this.#held = outcome === 'full' ? chain : undefined
    if (outcome === 'full') return false
    if (outcome === 'sent') {
      this.frames++
      this.bytes += chain.readableBytes - NET_HEADER_BYTES
    } else this.dropped++
    chain.complete(0)
    return true
  }
}

const isFrom = (source: Uint8Array, head: Uint8Array): boolean => {
  for (let at = 0; at < 6; at++) if (head[SOURCE_AT + at] !== source[at]) return false
  return true
}
