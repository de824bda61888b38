/** Reads a Node stream, such as standard input, as a byte source; at most a bounded number of bytes waits here. */
import type { Readable } from 'node:stream'
import { ByteQueue } from './byte-queue.ts'
import type { ByteSource } from './streams.ts'

export interface StreamSourceOptions {
  /** The stream ended (or failed, which is its end too) after so many bytes in all; some may still wait to be read. */
  readonly onEnd?: (totalBytes: number) => void
  /** The stream is paused while this much or more is waiting. */
  readonly maxWaitingBytes?: number
}

const DEFAULT_MAX_WAITING_BYTES = 64 * 1024

/** Touches the stream first when somebody reads: until then it keeps all its input. */
export const createStreamSource = (stream: Readable, options: StreamSourceOptions = {}): ByteSource => {
  const { onEnd = () => {}, maxWaitingBytes = DEFAULT_MAX_WAITING_BYTES } = options
  const queue = new ByteQueue()
  let total = 0
  let started = false
  let ended = false
  let wanted = false
  let readable = () => {}

  const end = (): void => {
    if (ended) return
    ended = true
    onEnd(total)
  }
  const start = (): void => {
    started = true
    stream.on('data', (chunk: Uint8Array | string) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      if (bytes.length === 0) return
      queue.push(bytes)
      total += bytes.length
      if (queue.length >= maxWaitingBytes) stream.pause()
      if (!wanted) return
      wanted = false
      readable()
    })
    for (const event of ['end', 'close', 'error']) stream.on(event, end)
    // A socket without a byte in it says so before anybody has asked.
    if (stream.readableEnded || stream.destroyed) setImmediate(end)
  }

  return {
    read: (into) => {
      if (!started) start()
      const count = queue.read(into)
      if (queue.length < maxWaitingBytes && stream.isPaused()) stream.resume()
      if (count === 0 && into.length > 0) wanted = true
      return count
    },
    onReadable: (listener) => {
      readable = listener
    },
  }
}
