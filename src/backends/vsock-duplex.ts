/**
 * A vsock stream whose host program is this process: whoever talks to the guest's agent holds one side, the device the
 * other. What is sent waits here until the driver has room; what the guest sends is handed over piece by piece.
 */
import { ByteQueue } from './byte-queue.ts'
import type { HostStream, StreamListener } from './vsock-streams.ts'

/** The side of whoever uses the stream. Each event has one listener; none is called from inside a call of these. */
export interface VsockDuplex {
  /** Takes all; the bytes are the stream's from now on. @returns false when it is to wait for `onDrain` */
  send(bytes: Uint8Array): boolean
  onDrain(listener: () => void): void
  /** The bytes are the listener's. What comes before there is one waits. */
  onData(listener: (bytes: Uint8Array) => void): void
  /** What arrives waits, and the guest gets no credit for it. */
  pause(): void
  resume(): void
  /** Once: ended by either side and heard of by both, refused, or the guest is gone. Nothing comes any more. */
  onClosed(listener: () => void): void
  /** What was sent still leaves; what comes from now on is thrown away. */
  end(): void
  /** At once, whatever is under way. */
  destroy(): void
}

export interface DuplexPair {
  readonly duplex: VsockDuplex
  readonly stream: HostStream
  /** The device's listener, once it has the stream. */
  listen(listener: StreamListener): void
  /** The guest took a stream that was asked for here. */
  onAccepted(listener: () => void): void
}

/** Bytes that wait for the driver until `send` says that there are enough; the device may say another number. */
const WAITING_MAX = 128 * 1024

export function createVsockDuplex(): DuplexPair {
  const outgoing = new ByteQueue()
  const incoming: Uint8Array[] = []
  let listener: StreamListener | undefined
  let waitingMax = WAITING_MAX
  let sendFull = false
  let paused = false
  let delivering = false
  let ending = false
  let guestEnded = false
  /** The device has let go of it, or has never had it. */
  let released = false
  let over = () => {}
  let told = false
  let [onDrain, onAccepted, onClosed] = [() => {}, () => {}, () => {}]
  let onData: ((bytes: Uint8Array) => void) | undefined

  const deliverLater = () => {
    if (delivering) return
    delivering = true
    // Neither side is called from inside a call of its own.
    queueMicrotask(deliver)
  }
  const deliver = () => {
    delivering = false
    while (incoming.length > 0 && (ending || (onData && !paused))) {
      const bytes = incoming.shift()!
      if (!ending) onData?.(bytes)
      listener?.forwarded(bytes.length)
    }
    if (incoming.length > 0) return
    if (guestEnded) end()
    if (!released) return
    over()
    if (told) return
    told = true
    onClosed()
  }
  const release = () => {
    released = true
    listener = undefined
    outgoing.clear()
    deliverLater()
  }
  const end = () => {
    if (ending || released) return
    ending = true
    listener?.closed()
    deliverLater()
  }
  const guestEnds = () => {
    guestEnded = true
    deliverLater()
  }

  return {
    duplex: {
      send(bytes) {
        if (ending || released) return true
        outgoing.push(bytes)
        sendFull = outgoing.length >= waitingMax
        listener?.readable()
        return !sendFull
      },
      onDrain(given) {
        onDrain = given
      },
      onData(given) {
        onData = given
        deliverLater()
      },
      pause() {
        paused = true
      },
      resume() {
        paused = false
        deliverLater()
      },
      onClosed(given) {
        onClosed = given
        if (!told) return
        told = false
        deliverLater()
      },
      end,
      destroy() {
        outgoing.clear()
        end()
        if (!released) release()
      },
    },
    stream: {
      limitWaiting(bytes) {
        waitingMax = bytes
      },
      send(bytes) {
        incoming.push(bytes)
        deliverLater()
      },
      receive(into) {
        const count = outgoing.read(into)
        if (sendFull && outgoing.length <= waitingMax / 2) {
          sendFull = false
          queueMicrotask(() => onDrain())
        }
        return count
      },
      get waiting() {
        return outgoing.length
      },
      get ended() {
        return ending
      },
      accept: () => queueMicrotask(() => onAccepted()),
      // Nobody here goes on with half a stream.
      endSending: guestEnds,
      endReceiving: guestEnds,
      close(done) {
        over = done
        release()
      },
      abort: release,
    },
    listen(given) {
      listener = given
    },
    onAccepted(given) {
      onAccepted = given
    },
  }
}
