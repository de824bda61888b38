/**
 * Output that a container must not hold the descriptor of (streams.ts) comes through us, so that an error of writing
 * it is seen and told: the runtime alone would lose it without a word.
 */
import type { Readable } from 'node:stream'
import { createFdSink } from '../backends/fd-sink.ts'

export interface Relay {
  /** Resolves when everything is written, or no more will be. */
  readonly done: Promise<void>
  /** Writes no more: a terminal may stand still for ever. */
  abandon(): void
}

export function relayOutput(from: Readable, fd: number, onRefused: (error: NodeJS.ErrnoException) => void): Relay {
  const sink = createFdSink(fd, {
    onClosed(error) {
      // The runtime then closes its side, and the program meets a broken pipe.
      from.destroy()
      onRefused(error)
    },
  })
  let waiting: Uint8Array | undefined
  let ended = false
  let abandon = () => {}
  const done = new Promise<void>((resolve) => {
    const settle = () => {
      if (!ended || waiting) return
      sink.flush().then(() => {
        sink.close()
        resolve()
      })
    }
    const write = (bytes: Uint8Array) => {
      const rest = bytes.subarray(sink.write(bytes))
      waiting = rest.length > 0 ? rest : undefined
      if (waiting) from.pause()
      else if (ended) settle()
      else from.resume()
    }
    sink.onDrain(() => waiting && write(waiting))
    from.on('data', write)
    from.on('error', () => from.destroy())
    from.on('close', () => {
      ended = true
      settle()
    })
    abandon = () => {
      waiting = undefined
      ended = true
      from.destroy()
      settle()
    }
  })
  return { done, abandon: () => abandon() }
}
