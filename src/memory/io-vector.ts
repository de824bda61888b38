/**
 * Views of guest memory packed as a `struct iovec[]`, so that the kernel moves data straight between a descriptor and
 * the guest. Whoever holds one only passes it on: host addresses stay in here and in kvm-bindings. readv(2)
 */
import { addressOf } from '../../kvm-bindings/ffi.ts'
import { IOV_MAX, type PackedVector } from '../../kvm-bindings/vector-io.ts'

/** struct iovec: the address and the length, 64 bits each; as 32-bit words, little-endian. */
const WORDS = 4
const ELEMENT_BYTES = 16
const WORD = 2 ** 32
const INITIAL_ELEMENTS = 16

/**
 * Filled anew for each call or kept as a queue of elements, and never changed while a call is in flight. What it names has
 * to stay mapped until the call has returned; ordinary arrays (tests, headers) are kept alive from here until the next
 * `pack`, appended ones by the caller.
 */
export class IoVector implements PackedVector {
  /** Bytes that the elements name together. */
  length = 0
  count = 0
  address = 0
  /** What is named, so that it is not collected. */
  segments: readonly Uint8Array[] = []
  #words = new Uint32Array(0)
  #base = 0
  /** Where in the segments that `pack` was given it began. */
  #skipped = 0
  #lastBuffer: ArrayBufferLike | undefined
  #lastAddress = 0
  /** Elements dropped in front of those named. */
  #first = 0

  constructor() {
    this.#allocate(INITIAL_ELEMENTS * WORDS)
  }

  /**
   * Names `length` bytes of the segments, `offset` bytes into them; what there is when that is less.
   * @returns the bytes named: fewer than there are only when IOV_MAX elements did not reach
   */
  pack(segments: readonly Uint8Array[], offset = 0, length = Number.POSITIVE_INFINITY): number {
    this.segments = segments
    this.#skipped = offset
    this.#first = 0
    this.address = this.#base
    this.count = 0
    this.length = 0
    return this.append(segments, offset, length)
  }

  /** The same behind what is named already; the caller keeps these segments reachable. @returns the bytes added */
  append(segments: readonly Uint8Array[], offset = 0, length = Number.POSITIVE_INFINITY): number {
    const before = this.length
    const limit = before + length
    let skip = offset
    for (let index = 0; index < segments.length; index++) {
      const segment = segments[index]!
      const size = segment.length
      if (skip >= size) {
        skip -= size
        continue
      }
      const part = Math.min(size - skip, limit - this.length)
      if (part <= 0 || this.count === IOV_MAX) break
      this.#add(this.#addressOf(segment.buffer) + segment.byteOffset + skip, part)
      skip = 0
    }
    return this.length - before
  }

  /** Copies into the memory that the last `pack` named, from its beginning. */
  fill(bytes: Uint8Array): void {
    let skip = this.#skipped
    let done = 0
    for (const segment of this.segments) {
      const part = bytes.subarray(done, done + Math.max(0, segment.length - skip))
      if (part.length > 0) segment.set(part, skip)
      skip = Math.max(0, skip - segment.length)
      done += part.length
    }
  }

  /** Forgets the first elements, `bytes` long together. */
  dropFirst(elements: number, bytes: number): void {
    this.#first += elements
    this.address += elements * ELEMENT_BYTES
    this.count -= elements
    this.length -= bytes
  }

  /** Forgets the last element, `bytes` long. */
  dropLast(bytes: number): void {
    this.count--
    this.length -= bytes
  }

  /** Most of what is named lies in one buffer: guest memory. */
  #addressOf(buffer: ArrayBufferLike): number {
    if (buffer !== this.#lastBuffer) {
      this.#lastAddress = addressOfBuffer(buffer)
      this.#lastBuffer = buffer
    }
    return this.#lastAddress
  }

  #add(address: number, length: number): void {
    if ((this.#first + this.count) * WORDS === this.#words.length) this.#makeRoom()
    const at = (this.#first + this.count) * WORDS
    const words = this.#words
    words[at] = address
    words[at + 1] = Math.floor(address / WORD)
    words[at + 2] = length
    words[at + 3] = Math.floor(length / WORD)
    this.count++
    this.length += length
  }

  /** Moves what is named to the front, in a larger array when that would win less than half of it. */
  #makeRoom(): void {
    const words = this.#words
    const named = words.subarray(this.#first * WORDS, (this.#first + this.count) * WORDS)
    if (this.#first > this.count) words.set(named)
    else this.#allocate(2 * words.length, named)
    this.#first = 0
    this.address = this.#base
  }

  #allocate(length: number, named = new Uint32Array(0)): void {
    this.#words = new Uint32Array(length)
    this.#words.set(named)
    this.#base = addressOfBuffer(this.#words.buffer)
    this.address = this.#base
  }
}

const addresses = new WeakMap<ArrayBufferLike, number>()

/** A buffer stays where it is as long as it lives; user-space addresses end at 2^47, so a number holds them. */
function addressOfBuffer(buffer: ArrayBufferLike): number {
  const known = addresses.get(buffer)
  if (known !== undefined) return known
  const address = Number(addressOf(new Uint8Array(buffer)))
  addresses.set(buffer, address)
  return address
}
