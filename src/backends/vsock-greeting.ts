/** The first line that a host program sends on a VM's vsock socket: `CONNECT <guest port>`. */
import type { Socket } from 'node:net'

/** "CONNECT 4294967295\r\n", with some blanks to spare. */
const LINE_MAX = 32
/** Who says nothing for so long has gone astray. */
const LINE_MS = 10_000

/** Bytes after the line stay in the socket. Whoever says anything else, or too little, is sent away. */
export function readVsockGreeting(socket: Socket, onPort: (guestPort: number) => void): void {
  let line: Buffer = Buffer.alloc(0)
  const settle = () => {
    clearTimeout(timer)
    socket.off('data', onData).off('end', giveUp).off('close', settle)
  }
  const giveUp = () => {
    settle()
    socket.destroy()
  }
  const onData = (bytes: Buffer) => {
    line = Buffer.concat([line, bytes])
    const end = line.indexOf('\n')
    if (end === -1 && line.length <= LINE_MAX) return
    const port = end === -1 ? undefined : parsePort(line.toString('latin1', 0, end))
    if (port === undefined) return giveUp()
    settle()
    socket.pause()
    if (end + 1 < line.length) socket.unshift(line.subarray(end + 1))
    onPort(port)
  }
  const timer = setTimeout(giveUp, LINE_MS).unref()
  socket.on('data', onData).on('end', giveUp).on('close', settle)
}

/** The last one, 2^32 - 1, means "any port" and is nobody's. */
function parsePort(line: string): number | undefined {
  const digits = /^connect +(\d{1,10}) *\r?$/i.exec(line)?.[1]
  const port = Number(digits)
  return digits !== undefined && port < 0xffffffff ? port : undefined
}
