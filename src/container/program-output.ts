/**
 * What a further program writes, with an end where it has ended: others that it left behind may hold its pipe open for ever.
 * All that the program itself wrote is in the pipe by then, so a pipe that is read and has nothing is at its end for us.
 */
import { Socket } from 'node:net'
import { PassThrough, type Readable } from 'node:stream'

/** Each turn of the event loop asks the kernel once; the first may have begun before the program ended. */
const EMPTY_TURNS = 3
/** One that nobody reads just now is looked at again after this. */
const LATER_MS = 5

export interface ProgramOutput {
  readonly stream: Readable
  /** The program has ended: what is in the pipe comes, and the end. */
  programEnded(): void
}

/** @param fd the reading end of its pipe, which is ours from now on */
export function programOutput(fd: number): ProgramOutput {
  const pipe = new Socket({ fd, readable: true, writable: false })
  const stream = new PassThrough()
  pipe.pipe(stream, { end: false })
  pipe.on('error', () => pipe.destroy())
  pipe.on('close', () => stream.end())
  stream.on('close', () => pipe.destroy())
  return { stream, programEnded: () => endWhenEmpty(pipe) }
}

function endWhenEmpty(pipe: Socket): void {
  let empty = 0
  let read = pipe.bytesRead
  const look = () => {
    if (pipe.destroyed) return
    const isRead = pipe.readableFlowing === true
    empty = isRead && pipe.bytesRead === read ? empty + 1 : 0
    read = pipe.bytesRead
    if (empty > EMPTY_TURNS) pipe.destroy()
    else if (isRead) setImmediate(look)
    else setTimeout(look, LATER_MS)
  }
  setImmediate(look)
}
