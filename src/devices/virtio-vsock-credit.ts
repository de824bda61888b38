/**
 * Who may send how much on one stream: both sides publish the size of their receive buffer and how much of what they
 * received they have passed on. Counters run freely and wrap at 2^32. virtio 1.2 §5.10.6.3
 */
import type { VsockHeader } from './virtio-vsock-packet.ts'

/** Receive buffer of the device for one stream, as Linux has it for each socket, while there are not many of them. */
export const VSOCK_BUFFER_BYTES = 256 * 1024
/** What a stream has at least, however many there are. */
export const VSOCK_BUFFER_MIN_BYTES = 4096
const HALF = 2 ** 31

export class VsockCredit {
  /** Receive buffer of the device for this stream; stays as it is, since a driver may count on it. */
  readonly bufferBytes: number
  /** Bytes taken from the driver, passed on of these, and passed on as far as the driver has been told. */
  #received = 0
  #forwarded = 0
  #told = 0
  /** Bytes sent to the driver, and what it says about them. */
  #sent = 0
  #peerForwarded = 0
  #peerBuffer = 0

  constructor(bufferBytes: number) {
    this.bufferBytes = bufferBytes
  }

  /** The driver sends so many bytes. @returns whether it may */
  take(bytes: number): boolean {
    if (bytes > this.bufferBytes - this.held) return false
    this.#received = (this.#received + bytes) >>> 0
    return true
  }

  /** Bytes taken and not passed on. */
  get held(): number {
    return (this.#received - this.#forwarded) >>> 0
  }

  forward(bytes: number): void {
    this.#forwarded = (this.#forwarded + bytes) >>> 0
  }

  /** Seldom, and long before the driver must wait. */
  get updateDue(): boolean {
    return (this.#forwarded - this.#told) >>> 0 >= this.bufferBytes / 4
  }

  /** What to say in the next packet; counts as told. */
  stamp(): { readonly bufAlloc: number; readonly fwdCnt: number } {
    this.#told = this.#forwarded
    return { bufAlloc: this.bufferBytes, fwdCnt: this.#forwarded }
  }

  /** What the driver says about its side. @returns false when it has passed on more than it was sent */
  learn({ bufAlloc, fwdCnt }: VsockHeader): boolean {
    this.#peerBuffer = bufAlloc
    const inFlight = (this.#sent - this.#peerForwarded) >>> 0
    if ((fwdCnt - this.#peerForwarded) >>> 0 <= inFlight) this.#peerForwarded = fwdCnt
    // An older count: two processors of the guest sent at the same time.
    else if ((this.#peerForwarded - fwdCnt) >>> 0 >= HALF) return false
    return true
  }

  /** Bytes that the driver has room for. It may have made its buffer smaller than what is in flight. */
  get room(): number {
    return Math.max(0, this.#peerBuffer - ((this.#sent - this.#peerForwarded) >>> 0))
  }

  sent(bytes: number): void {
    this.#sent = (this.#sent + bytes) >>> 0
  }
}
