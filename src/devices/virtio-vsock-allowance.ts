/**
 * How much the streams of one guest may make the host hold, together: the first ones have large buffers, and the more
 * there are the smaller are those of further ones. What is granted is kept for as long as its stream lasts.
 */
import { VSOCK_BUFFER_BYTES, VSOCK_BUFFER_MIN_BYTES } from './virtio-vsock-credit.ts'

/** For all streams of one guest, in both directions: well within what a VMM may use beside its guest's memory. */
export const VSOCK_BYTES_MAX = 16 * 2 ** 20
/** With every byte of a stream's buffer goes half a byte for what waits for the guest to take it. */
const BYTES_PER_BYTE = 1.5
/** A new stream has at most this part of what is left. */
const SHARE = 1 / 8

export class VsockAllowance {
  /** Beyond the least buffer of each stream. */
  #left: number

  /** @param streams how many there may be at once */
  constructor(streams: number) {
    this.#left = VSOCK_BYTES_MAX / BYTES_PER_BYTE - streams * VSOCK_BUFFER_MIN_BYTES
  }

  /** @returns the bytes that a new stream may have for its receive buffer; give them back when it is over */
  grant(): number {
    const most = Math.min(VSOCK_BUFFER_BYTES - VSOCK_BUFFER_MIN_BYTES, this.#left * SHARE)
    const extra = Math.floor(most / VSOCK_BUFFER_MIN_BYTES) * VSOCK_BUFFER_MIN_BYTES
    this.#left -= extra
    return VSOCK_BUFFER_MIN_BYTES + extra
  }

  giveBack(granted: number): void {
    this.#left += granted - VSOCK_BUFFER_MIN_BYTES
  }
}

/** What of the host program's bytes may wait beside a receive buffer of that size. */
export const waitingBytesBeside = (granted: number): number => granted * (BYTES_PER_BYTE - 1)
