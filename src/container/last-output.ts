/**
 * The end of what an ended program wrote, where others that it left behind may hold its pipe open for ever: all it wrote is in
 * the pipe by now, so a pipe that is read and has nothing is at its end for us.
 */
import type { Socket } from 'node:net'

/** Each turn of the event loop asks the kernel once; the first may have begun before the program ended. */
const EMPTY_TURNS = 3

/** One that nobody reads just now is looked at again after this. */
const LATER_MS = 5

/** Destroys it when it is empty; one that nobody reads waits until somebody does. */
export function endWhenEmpty(socket: Socket): void {
  let empty = 0
  let read = socket.bytesRead
  const look = () => {
    if (socket.destroyed || socket.readableEnded) return
    const isRead = socket.readableFlowing === true || (!socket.isPaused() && socket.listenerCount('readable') > 0)
    empty = isRead && socket.readableLength === 0 && socket.bytesRead === read ? empty + 1 : 0
    read = socket.bytesRead
    if (empty > EMPTY_TURNS) socket.destroy()
    else if (isRead) setImmediate(look)
    else setTimeout(look, LATER_MS)
  }
  setImmediate(look)
}
