/**
 * Writes to a socket, or to a pipe that the host does not let us open anew, by Node's own event-driven streams: bytes
 * are copied, and at most a bounded number of them wait here. Node makes the descriptor non-blocking, as it does with
 * its own standard output.
 */
import type { Socket } from 'node:net'
import type { FdSink } from './streams.ts'

/** Copies under way; more stay with the caller. */
const MAX_WAITING_BYTES = 64 * 1024

export const createSocketSink = (fd: number, onClosed: (error: NodeJS.ErrnoException) => void): FdSink => {
  // Loaded only when needed: most runs have no socket here.
  const { Socket } = process.getBuiltinModule('node:net')
  const socket: Socket = new Socket({ fd, readable: false, writable: true })
  let closed = false
  let refused = false
  let drained = () => {}
  let flushed: (() => void)[] = []

  const settle = (): void => {
    if (!closed && socket.writableLength > 0) return
    for (const resolve of flushed) resolve()
    flushed = []
  }
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (closed) return
    closed = true
    onClosed(error)
    settle()
    drained()
  })

  return {
    write: (bytes) => {
      if (closed) return bytes.length
      // A copy: the caller's bytes are a view of memory that changes.
      const part = new Uint8Array(bytes.subarray(0, Math.max(0, MAX_WAITING_BYTES - socket.writableLength)))
      if (part.length < bytes.length) refused = true
      if (part.length === 0) return 0
      socket.write(part, () => {
        settle()
        if (!refused) return
        refused = false
        drained()
      })
      return part.length
    },
    onDrain: (listener) => {
      drained = listener
    },
    flush: () =>
      new Promise((resolve) => {
        flushed.push(resolve)
        settle()
      }),
    close: () => {
      closed = true
      settle()
      socket.destroy()
    },
  }
}
