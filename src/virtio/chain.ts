/**
 * One request of the driver: the buffers that a descriptor chain names, as live views of guest memory, already checked.
 * The driver can still change the bytes, never which bytes these are. virtio 1.2 §2.7.4
 */

/** A descriptor chain as a device sees it. The views and arrays are the device's until `complete`. */
export interface Chain {
  /** Device-readable buffers, in order. */
  readonly readable: readonly Uint8Array[]
  /** Device-writable buffers, in order; they follow the readable ones. */
  readonly writable: readonly Uint8Array[]
  readonly readableBytes: number
  readonly writableBytes: number
  /** The queue was reset since: the buffers are no longer the device's, and `complete` does nothing. */
  readonly stale: boolean
  /** Gives the chain back to the driver, saying how many bytes were written from the start of the writable part. */
  complete(written: number): void
}

/** Who hands chains out and takes them back. */
export interface ChainOwner {
  giveBack(chain: QueueChain, written: number): void
}

/**
 * A queue keeps one of these for each head: a head is in flight at most once, so a request allocates its views and their
 * lists alone. A reset throws all of them away, so that a late completion finds only an old, stale one.
 */
export class QueueChain implements Chain {
  readable: Uint8Array[] = []
  writable: Uint8Array[] = []
  readableBytes = 0
  writableBytes = 0
  stale = true
  readonly head: number
  /** Counts takings, so that a saved queue can offer its chains again in order. */
  sequence = 0
  readonly #owner: ChainOwner

  constructor(owner: ChainOwner, head: number) {
    this.#owner = owner
    this.head = head
  }

  open(sequence: number): void {
    // New lists: emptying the old ones takes twice as long.
    this.readable = []
    this.writable = []
    this.readableBytes = 0
    this.writableBytes = 0
    this.sequence = sequence
    this.stale = false
  }

  complete(written: number): void {
    if (this.stale) return
    this.stale = true
    // The used length never promises more than the driver offered.
    this.#owner.giveBack(this, Math.min(written, this.writableBytes))
  }
}

/** Copies from `bytes` into the segments, beginning `offset` bytes into them. @returns how many bytes fitted. */
export const scatter = (segments: readonly Uint8Array[], bytes: Uint8Array, offset = 0): number => {
  let skip = offset
  let done = 0
  for (const segment of segments) {
    if (skip >= segment.length) {
      skip -= segment.length
      continue
    }
    const part = bytes.subarray(done, done + segment.length - skip)
    segment.set(part, skip)
    done += part.length
    skip = 0
    if (done === bytes.length) break
  }
  return done
}

/** Copies from the segments into `into`, beginning `offset` bytes into them. @returns how many bytes there were. */
export const gather = (segments: readonly Uint8Array[], into: Uint8Array, offset = 0): number => {
  let skip = offset
  let done = 0
  for (const segment of segments) {
    if (skip >= segment.length) {
      skip -= segment.length
      continue
    }
    const part = segment.subarray(skip, Math.min(segment.length, skip + into.length - done))
    into.set(part, done)
    done += part.length
    skip = 0
    if (done === into.length) break
  }
  return done
}
