/** Bytes on their way out. Small pieces are gathered: a million of one byte cost little more than their bytes. */

const PART_BYTES = 16 * 1024
/** Larger pieces are not worth copying. */
const SMALL_BYTES = PART_BYTES / 4

export class GatheredBytes {
  #parts: Uint8Array[] = []
  /** The last part, while it has room, and how much of it is used. */
  #open: Uint8Array | undefined
  #used = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  /** @param bytes may be kept as they are: they are the queue's from now on */
  push(bytes: Uint8Array): void {
    // Nor is the first one, which mostly goes at once.
    const alone = this.#length === 0
    this.#length += bytes.length
    if (alone || bytes.length > SMALL_BYTES) {
      this.#shut()
      this.#parts.push(bytes)
      return
    }
    if (!this.#open || bytes.length > PART_BYTES - this.#used) {
      this.#shut()
      this.#open = new Uint8Array(PART_BYTES)
    }
    this.#open.set(bytes, this.#used)
    this.#used += bytes.length
  }

  /** All of them, in order. */
  take(): Uint8Array[] {
    this.#shut()
    const parts = this.#parts
    this.#parts = []
    this.#length = 0
    return parts
  }

  #shut(): void {
    if (this.#open && this.#used > 0) this.#parts.push(this.#open.subarray(0, this.#used))
    this.#open = undefined
    this.#used = 0
  }
}
