/** Byte streams in memory: what tests look at, and what the host itself says to a guest. */
import { ByteQueue } from './byte-queue.ts'
import type { ByteSink, ByteSource } from './streams.ts'

export interface BufferSink extends ByteSink {
  /** Bytes taken and not yet removed by `take`. */
  readonly length: number
  /** Removes everything, which makes room again. */
  take(): Uint8Array
  /** `take`, as text. */
  takeText(): string
}

/** Keeps what is written, at most `capacity` bytes at a time. */
export const createBufferSink = ({ capacity = Number.POSITIVE_INFINITY }: { capacity?: number } = {}): BufferSink => {
  const queue = new ByteQueue()
  let refused = false
  let drained = () => {}
  const take = (): Uint8Array => {
    const all = new Uint8Array(queue.length)
    queue.read(all)
    if (refused) {
      refused = false
      drained()
    }
    return all
  }
  return {
    get length() {
      return queue.length
    },
    write: (bytes) => {
      const taken = Math.min(bytes.length, capacity - queue.length)
      if (taken < bytes.length) refused = true
      // A copy: the caller's bytes are a view of memory that changes. (`slice` of a Buffer would be another view.)
      queue.push(new Uint8Array(bytes.subarray(0, taken)))
      return taken
    },
    onDrain: (listener) => {
      drained = listener
    },
    take,
    takeText: () => new TextDecoder().decode(take()),
  }
}

export interface BufferSource extends ByteSource {
  /** Adds bytes to be read; they are copied. */
  push(bytes: Uint8Array): void
  /** Bytes pushed and not yet read. */
  readonly length: number
}

export const createBufferSource = (): BufferSource => {
  const queue = new ByteQueue()
  let wanted = false
  let readable = () => {}
  return {
    get length() {
      return queue.length
    },
    push: (bytes) => {
      queue.push(new Uint8Array(bytes))
      if (!wanted || queue.length === 0) return
      wanted = false
      readable()
    },
    read: (into) => {
      const count = queue.read(into)
      if (count === 0 && into.length > 0) wanted = true
      return count
    },
    onReadable: (listener) => {
      readable = listener
    },
  }
}
