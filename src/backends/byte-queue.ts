/** Bytes in order, in the pieces they came in, until somebody reads them. Keeps the pieces, copies only when read. */
export class ByteQueue {
  readonly #chunks: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#length += bytes.length
  }

  clear(): void {
    this.#chunks.length = 0
    this.#length = 0
  }

  /** Moves the oldest bytes into the buffer and says how many. */
  read(into: Uint8Array): number {
    let done = 0
    while (done < into.length && this.#chunks.length > 0) {
      const chunk = this.#chunks[0]!
      const part = chunk.subarray(0, into.length - done)
      into.set(part, done)
      done += part.length
      if (part.length === chunk.length) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(part.length)
    }
    this.#length -= done
    return done
  }
}
