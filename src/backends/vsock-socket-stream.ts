/** A Unix socket as the host's end of one vsock stream: what the guest is slow to take stays in the host's kernel. */
import type { Socket } from 'node:net'
import { ByteQueue } from './byte-queue.ts'
import { GatheredBytes } from './gathered-bytes.ts'
import type { HostStream, StreamListener } from './vsock-streams.ts'

/** A guest that does not answer has no driver, or one that hangs. */
const OPENING_MS = 20_000
/** After both sides are done, the last bytes have this long to leave. */
const LINGER_MS = 10_000

export class SocketStream implements HostStream {
  readonly #socket: Socket
  readonly #received = new ByteQueue()
  #listener: StreamListener | undefined
  #opening: NodeJS.Timeout | undefined
  /** The host program is not read on when so much waits; a read or two of up to 64 KiB may come on top. */
  #waitingMax = 128 * 1024
  readonly #outgoing = new GatheredBytes()
  #writing = false
  #ending = false
  #ended = false
  #discarding = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  limitWaiting(bytes: number): void {
    this.#waitingMax = bytes
  }

  /** From here on it is the device's. */
  listen(listener: StreamListener): void {
    this.#listener = listener
    const socket = this.#socket
    this.#opening = setTimeout(() => socket.destroy(), OPENING_MS).unref()
    socket.on('data', (bytes) => this.#take(bytes))
    socket.once('end', () => {
      this.#ended = true
      this.#listener?.readable()
    })
    socket.once('close', () => {
      clearTimeout(this.#opening)
      this.#listener?.closed()
      this.#listener = undefined
    })
    socket.resume()
  }

  /** The host program has taken the stream. */
  opened(): void {
    clearTimeout(this.#opening)
    this.#listener?.opened()
  }

  send(bytes: Uint8Array): void {
    this.#outgoing.push(bytes)
    this.#write()
  }

  receive(into: Uint8Array): number {
    const count = this.#received.read(into)
    if (this.#received.length <= this.#waitingMax / 2 && this.#socket.isPaused()) this.#socket.resume()
    return count
  }

  get waiting(): number {
    return this.#received.length
  }

  get ended(): boolean {
    return this.#ended
  }

  accept(hostPort: number): void {
    clearTimeout(this.#opening)
    this.#socket.write(`OK ${hostPort}\n`)
  }

  endSending(): void {
    this.#ending = true
    this.#write()
  }

  endReceiving(): void {
    this.#discarding = true
    this.#received.clear()
    this.#socket.resume()
  }

  close(over: () => void): void {
    this.#listener = undefined
    this.endReceiving()
    const socket = this.#socket
    if (socket.closed) {
      over()
      return
    }
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => {
      clearTimeout(timer)
      over()
    })
    // The program may go on sending to nobody: once all it is due has left, it is told by the closing.
    socket.once('finish', () => socket.destroy())
    this.endSending()
  }

  abort(): void {
    clearTimeout(this.#opening)
    this.#listener = undefined
    this.#socket.destroy()
  }

  /** One write at a time: what comes meanwhile goes with the next one, however small its pieces. */
  #write(): void {
    if (this.#writing || this.#socket.destroyed) return
    const { length } = this.#outgoing
    if (length === 0) {
      if (this.#ending) this.#socket.end()
      return
    }
    this.#writing = true
    this.#socket.cork()
    const parts = this.#outgoing.take()
    const last = parts.pop()!
    for (const part of parts) this.#socket.write(part)
    this.#socket.write(last, (error) => {
      this.#writing = false
      if (error) return
      this.#listener?.forwarded(length)
      this.#write()
    })
    this.#socket.uncork()
  }

  #take(bytes: Buffer): void {
    if (this.#discarding) return
    this.#received.push(bytes)
    if (this.#received.length >= this.#waitingMax) this.#socket.pause()
    this.#listener?.readable()
  }
}
