/**
 * Output that a container must not hold the descriptor of (streams.ts) comes through us, so that an error of writing
 * it is seen and told: the runtime alone would lose it without a word.
 */
import type { Readable } from 'node:stream'
import { createFdSink } from '../backends/fd-sink.ts'

export interface Relay {
  /** Resolves when everything is written, or no more will be. */
  readonly done: Promise<void>
  /** Resolves when nobody can write to it any more. */
  readonly closed: Promise<void>
  /** From here on what comes, and what has come, is the program's and is written. */
  open(): void
  /** What came before that. */
  held(): string
  /** Writes no more: a terminal may stand still for ever. */
  abandon(): void
}

/** Before there is a program nobody has much to say. */
const HELD_MAX = 1 << 16

export function relayOutput(from: Readable, fd: number, onRefused: (error: NodeJS.ErrnoException) => void): Relay {
  const sink = createFdSink(fd, {
    onClosed(error) {
      // The runtime then closes its side, and the program meets a broken pipe.
      from.destroy()
      onRefused(error)
    },
  })
  let isOpen = false
  let early: Buffer[] = []
  let waiting: Uint8Array | undefined
  let ended = false
  let finish = () => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const settle = () => {
    if (!isOpen || !ended || waiting) return
    sink.flush().then(() => {
      sink.close()
      finish()
    })
  }
  const write = (bytes: Uint8Array) => {
    const rest = bytes.subarray(sink.write(bytes))
    waiting = rest.length > 0 ? rest : undefined
    if (waiting) from.pause()
    else if (ended) settle()
    else from.resume()
  }
  const keep = (bytes: Buffer) => {
    early.push(bytes)
    if (early.reduce((sum, { length }) => sum + length, 0) >= HELD_MAX) from.pause()
  }
  sink.onDrain(() => waiting && write(waiting))
  from.on('data', (bytes: Buffer) => (isOpen ? write(bytes) : keep(bytes)))
  from.on('error', () => from.destroy())
  const closed = new Promise<void>((resolve) => {
    from.on('close', () => {
      ended = true
      resolve()
      settle()
    })
  })
  return {
    done,
    closed,
    held: () => Buffer.concat(early).toString(),
    open() {
      isOpen = true
      const bytes = Buffer.concat(early)
      early = []
      write(bytes)
    },
    abandon() {
      isOpen = true
      waiting = undefined
      ended = true
      from.destroy()
      settle()
    },
  }
}
