/**
 * Frames for the guest: read straight into the driver's buffers, several buffers for a large frame. Buffers are taken
 * ahead of the frames, as many as the largest frame may need, and kept for the next one where a frame needed fewer.
 * virtio 1.2 §5.1.6.3, §5.1.6.4
 */
import type { NetBackend, Offloads } from '../backends/net-backend.ts'
import { IoVector } from '../memory/io-vector.ts'
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import type { DeviceQueue } from '../virtio/device.ts'
import { DriverError } from '../virtio/driver-error.ts'
import {
  allowsGso,
  frameMax,
  NET_HDR,
  NET_HEADER_BYTES,
  SEGMENTED_FRAME_MAX,
  VIRTIO_NET_HDR_F_DATA_VALID,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_NONE,
} from './virtio-net-header.ts'

const LARGEST = NET_HEADER_BYTES + SEGMENTED_FRAME_MAX
/** Then other devices get their turn; whatever waits calls again. */
const FRAMES_A_TURN = 128
/** How long buffers are taken for the largest frame after one that was larger than the MTU. */
const LARGE_SPELL = 64
/** One readv takes 1024 elements (UIO_MAXIOV); the chain that crosses this line adds at most a queue's worth. */
const ELEMENTS_MAX = 512

export interface ReceiveTerms {
  /** VIRTIO_NET_F_MRG_RXBUF: a frame may take several buffers. */
  readonly mergeable: boolean
  readonly mtu: number
}

/** From DRIVER_OK to reset. */
export class NetReceiver {
  frames = 0
  bytes = 0
  /** Frames that found no buffer large enough, or that the driver had not agreed to. */
  dropped = 0
  readonly #backend: NetBackend
  readonly #terms: ReceiveTerms
  #offloads: Offloads
  /** Bytes of the largest frame that is not many segments in one, our header included. */
  readonly #ordinary: number
  /**
   * Frames for which buffers are still taken as for the largest: naming forty buffers for each small frame takes half as
   * long again. The first large one after small ones goes by way of the spill.
   */
  #largeSpell = 0
  readonly #chains: Chain[] = []
  /** What the chains name, in order: the vector as views. */
  readonly #segments: Uint8Array[] = []
  readonly #vector = new IoVector()
  /** What does not fit the buffers lands here, so that it is never cut unnoticed. */
  readonly #spill = [new Uint8Array(SEGMENTED_FRAME_MAX)] as const
  /** Bytes of a frame of which the end is in the spill: it waits for more buffers. */
  #held = 0
  /** Bytes of the held frame that are in the buffers. */
  #heldAt = 0
  readonly #header = new Uint8Array(2)
  readonly #count = new Uint8Array(2)

  constructor(backend: NetBackend, terms: ReceiveTerms, offloads: Offloads) {
    this.#backend = backend
    this.#terms = terms
    this.#offloads = offloads
    this.#ordinary = NET_HEADER_BYTES + frameMax(terms.mtu)
    this.#vector.segments = this.#segments
  }

  setOffloads(offloads: Offloads): void {
    this.#offloads = offloads
  }

  receive(queue: DeviceQueue): void {
    if (this.#chains[0]?.stale) this.clear()
    for (let frames = 0; frames < FRAMES_A_TURN; frames++) {
      if (!this.#takeBuffers(queue) || (this.#held > 0 && !this.#resume(queue))) {
        // The driver's next buffers bring us here again; until then frames wait where they are.
        this.#backend.awaitFrames(false)
        return
      }
      const got = this.#read()
      if (got === 0) break
      this.#take(got)
    }
    this.#backend.awaitFrames(true)
  }

  /** Lets go of every buffer. */
  clear(): void {
    this.#drop(this.#chains.length)
    this.#held = 0
  }

  /** @returns whether there is any buffer */
  #takeBuffers(queue: DeviceQueue): boolean {
    if (!this.#terms.mergeable) return this.#chains.length > 0 || this.#takeBuffer(queue)
    const wanted = this.#held > 0 ? this.#held : this.#largeSpell > 0 ? LARGEST : this.#ordinary
    while (this.#vector.length < wanted && this.#segments.length < ELEMENTS_MAX) if (!this.#takeBuffer(queue)) break
    return this.#chains.length > 0
  }

  #takeBuffer(queue: DeviceQueue): boolean {
    const chain = queue.next()
    if (chain === undefined) return false
    const { writable, writableBytes } = chain
    if (writableBytes < NET_HEADER_BYTES)
      throw new DriverError(`a receive buffer of ${writableBytes} bytes, less than its header`)
    this.#chains.push(chain)
    for (let index = 0; index < writable.length; index++) this.#segments.push(writable[index]!)
    this.#vector.append(writable)
    return true
  }

  #read(): number {
    const spill = this.#spill[0]
    this.#segments.push(spill)
    this.#vector.append(this.#spill)
    const got = this.#backend.receive(this.#vector)
    this.#segments.pop()
    this.#vector.dropLast(spill.length)
    return got
  }

  #take(got: number): void {
    if (got > this.#ordinary) this.#largeSpell = LARGE_SPELL
    else if (this.#largeSpell > 0) this.#largeSpell--
    if (!this.#admit()) this.dropped++
    else if (got <= this.#vector.length) this.#give(got)
    else if (this.#terms.mergeable && got < this.#vector.length + this.#spill[0].length) {
      this.#held = got
      this.#heldAt = this.#vector.length
    } else this.dropped++
  }

  /** The host's header against what was negotiated: frames may have waited since an earlier driver. */
  #admit(): boolean {
    const first = this.#segments[0]!
    const header = first.length > 1 ? first : this.#gatherHeader()
    const flags = header[NET_HDR.flags]!
    const gsoType = header[NET_HDR.gsoType]!
    if (gsoType !== VIRTIO_NET_HDR_GSO_NONE && !allowsGso(gsoType, this.#offloads)) return false
    if (this.#offloads.checksum || flags === 0) return true
    if ((flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) return false
    // DATA_VALID: without VIRTIO_NET_F_GUEST_CSUM the flags are zero (§5.1.6.4.1).
    if (flags === VIRTIO_NET_HDR_F_DATA_VALID) first[NET_HDR.flags] = 0
    return true
  }

  #gatherHeader(): Uint8Array {
    gather(this.#segments, this.#header)
    return this.#header
  }

  /** The rest of a held frame into buffers that came since. @returns whether it is out of the way */
  #resume(queue: DeviceQueue): boolean {
    if (this.#vector.length >= this.#held) {
      scatter(this.#segments, this.#spill[0].subarray(0, this.#held - this.#heldAt), this.#heldAt)
      this.#give(this.#held)
    } else if (this.#segments.length >= Math.min(queue.size, ELEMENTS_MAX)) {
      // All the driver can offer, and still too small.
      this.dropped++
    } else return false
    this.#held = 0
    return this.#takeBuffers(queue)
  }

  /** The first `total` bytes of the buffers are one frame. */
  #give(total: number): void {
    let count = 0
    for (let bytes = 0; bytes < total; count++) bytes += this.#chains[count]!.writableBytes
    this.#writeCount(count)
    let left = total
    for (let index = 0; index < count; index++) {
      const chain = this.#chains[index]!
      const written = Math.min(left, chain.writableBytes)
      chain.complete(written)
      left -= written
    }
    this.#drop(count)
    this.frames++
    this.bytes += total - NET_HEADER_BYTES
  }

  #writeCount(count: number): void {
    const first = this.#segments[0]!
    if (first.length >= NET_HEADER_BYTES) {
      first[NET_HDR.buffers] = count & 0xff
      first[NET_HDR.buffers + 1] = count >> 8
      return
    }
    this.#count[0] = count & 0xff
    this.#count[1] = count >> 8
    scatter(this.#segments, this.#count, NET_HDR.buffers)
  }

  #drop(chains: number): void {
    let elements = 0
    let bytes = 0
    for (let index = 0; index < chains; index++) {
      const { writable, writableBytes } = this.#chains[index]!
      elements += writable.length
      bytes += writableBytes
    }
    this.#chains.splice(0, chains)
    this.#segments.splice(0, elements)
    this.#vector.dropFirst(elements, bytes)
  }
}
