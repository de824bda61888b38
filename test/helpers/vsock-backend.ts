/** Host programs for a vsock device in tests: streams that do what the test says, when it says so. */
import { ByteQueue } from '../../src/backends/byte-queue.ts'
import type { ConnectHandler, HostStream, StreamListener, VsockBackend } from '../../src/backends/vsock-streams.ts'

export class FakeStream implements HostStream {
  readonly hostPort: number | undefined
  listener: StreamListener | undefined
  /** What the host program has received, and what is on its way there. */
  readonly delivered: number[] = []
  readonly underWay: Uint8Array[] = []
  readonly calls: string[] = []
  /** Bytes of the host program that it may keep. */
  limit = 0
  /** To be called when its last bytes have left. */
  over: (() => void) | undefined
  readonly #waiting = new ByteQueue()
  ended = false

  constructor(hostPort?: number, listener?: StreamListener) {
    this.hostPort = hostPort
    this.listener = listener
  }

  // --- what the device does ---

  limitWaiting(bytes: number): void {
    this.limit = bytes
  }

  send(bytes: Uint8Array): void {
    this.underWay.push(bytes)
  }

  receive(into: Uint8Array): number {
    return this.#waiting.read(into)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  accept(hostPort: number): void {
    this.calls.push(`accept ${hostPort}`)
  }

  endSending(): void {
    this.calls.push('endSending')
  }

  endReceiving(): void {
    this.calls.push('endReceiving')
    this.#waiting.clear()
  }

  close(over: () => void): void {
    this.calls.push('close')
    this.over = over
    this.listener = undefined
  }

  abort(): void {
    this.calls.push('abort')
    this.listener = undefined
  }

  // --- what the host does ---

  get bytesUnderWay(): number {
    return this.underWay.reduce((sum, { length }) => sum + length, 0)
  }

  /** The host program reads so many pieces. */
  deliver(pieces = this.underWay.length): void {
    for (const piece of this.underWay.splice(0, pieces)) {
      this.delivered.push(...piece)
      this.listener?.forwarded(piece.length)
    }
  }

  /** A stream that is over keeps nothing. */
  release(): void {
    this.underWay.length = this.limit = 0
    this.over?.()
    this.over = undefined
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes)
    this.listener?.readable()
  }

  end(): void {
    this.ended = true
    this.listener?.readable()
  }

  die(): void {
    const { listener } = this
    this.listener = undefined
    listener?.closed()
  }
}

export interface FakeBackend extends VsockBackend {
  /** Streams that the guest asked for, in order. */
  readonly asked: FakeStream[]
  /** Host ports where nobody ever listens. */
  readonly refused: Set<number>
  /** A host program wants to talk to the guest. @returns undefined when the device will not have it */
  dial(guestPort: number): FakeStream | undefined
}

export const createFakeBackend = (): FakeBackend => {
  let handler: ConnectHandler = () => undefined
  const asked: FakeStream[] = []
  const refused = new Set<number>()
  return {
    asked,
    refused,
    onConnect(given) {
      handler = given
    },
    connect(hostPort, listener) {
      if (refused.has(hostPort)) return undefined
      const stream = new FakeStream(hostPort, listener)
      asked.push(stream)
      return stream
    },
    dial(guestPort) {
      const stream = new FakeStream()
      stream.listener = handler(guestPort, stream)
      return stream.listener && stream
    },
  }
}
