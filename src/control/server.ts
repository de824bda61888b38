/**
 * Answers on the control socket of the instance that this process holds. A connection may ask several things, one
 * after the other; attached, it becomes a stream and asks no more.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { peerOf } from '../../kvm-bindings/ffi.ts'
import { CloisterError, EXIT, HostError } from '../errors.ts'
import { type PlainRequest, parseRequest, REQUEST_MAX, type RequestOf, type StreamVerb } from './protocol.ts'
import { shortSocketPath } from './socket-path.ts'

/** More than that many at a time are told so. */
const CONNECTIONS_MAX = 64
/** A connection that asks nothing is closed after this. */
const IDLE_MS = 60_000
/** Answers that may wait for one who does not read them. */
const UNREAD_MAX = 64 * 1024
/** The last answers have this long to leave, */
const PARTING_MS = 1000
/** and what a stream had to say so long. */
const READING_MS = 10_000

/** What is done about a request; of those that make a stream of the connection, it is given that. */
export interface Operations {
  answer(request: PlainRequest): Promise<object>
  /**
   * Refuses by an exception. Bytes already received follow by `socket.unshift`; the peer may have gone meanwhile, and then
   * the socket is destroyed.
   */
  stream(request: RequestOf<StreamVerb>): Promise<(socket: Socket) => void>
}

export interface ControlServer {
  /** Takes no more connections, and lets the answers that are being written leave; idempotent. */
  close(): Promise<void>
}

/** @throws HostError when the socket cannot be made */
export async function serveControl(directory: string, operations: Operations): Promise<ControlServer> {
  const connections = new Map<Socket, Conversation>()
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    // A peer that has gone is no fault.
    socket.on('error', () => socket.destroy())
    if (!mayAsk(socket)) socket.destroy()
    else if (connections.size === CONNECTIONS_MAX) turnAway(socket)
    else {
      connections.set(socket, converse(socket, operations))
      socket.on('close', () => connections.delete(socket))
    }
  })
  const { path, close: closeDirectory } = shortSocketPath(directory)
  try {
    await listen(server, path)
  } catch (error) {
    closeDirectory()
    throw error
  }
  // Those who are told that they are too many take a moment too.
  server.maxConnections = 2 * CONNECTIONS_MAX
  let closing: Promise<void> | undefined
  const destroy = (which: (socket: Socket) => boolean) => {
    for (const socket of connections.keys()) if (which(socket)) socket.destroy()
  }
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const conversation of connections.values()) conversation.end()
    const late = [
      setTimeout(() => destroy((socket) => socket.writableLength === 0), PARTING_MS),
      setTimeout(() => destroy(() => true), READING_MS),
    ]
    await closed
    for (const timer of late) clearTimeout(timer)
    closeDirectory()
  }
  return {
    close() {
      closing ??= close()
      return closing
    },
  }
}

const listen = (server: Server, path: string) =>
  new Promise<void>((resolve, reject) => {
    // For good: one that cannot be accepted, for want of descriptors say, is no fault of the instance.
    server.on('error', (cause) =>
      reject(new HostError(`Cannot make the control socket: ${(cause as Error).message}.`, { cause })),
    )
    server.listen(path, resolve)
  })

function turnAway(socket: Socket): void {
  const message = `Cannot answer: ${CONNECTIONS_MAX} others are connected to the instance already.`
  say(socket, { ok: false, error: { message, hint: 'Try again when one of them is done.' } })
  socket.setTimeout(PARTING_MS, () => socket.destroy())
  socket.end()
  socket.resume()
}

/** The directory is closed to others already; a process of theirs may still have been handed a way in. */
function mayAsk(socket: Socket): boolean {
  const { fd = -1 } = (socket as unknown as { _handle?: { fd?: number } })._handle ?? {}
  if (fd < 0) return false
  const { uid } = peerOf(fd)
  return uid === 0 || uid === process.geteuid?.()
}

interface Conversation {
  /** After the answer that is under way, if any. */
  end(): void
}

function converse(socket: Socket, operations: Operations): Conversation {
  let pending: Buffer = Buffer.alloc(0)
  let busy = false
  let ending = false
  const refuse = (error: unknown) => {
    const { message, hint, exitCode } = error as CloisterError
    if (!(error instanceof CloisterError))
      return say(socket, { ok: false, error: { message: `A fault of ours: ${message}` } })
    const status = exitCode === EXIT.cloisterFailed ? {} : { exitCode }
    say(socket, { ok: false, error: { message, ...(hint === undefined ? {} : { hint }), ...status } })
  }
  const handle = async (line: string) => {
    const request = parseRequest(line)
    if (request.verb !== 'attach' && request.verb !== 'exec') {
      say(socket, { ok: true, ...(await operations.answer(request)) })
      return
    }
    const stream = await operations.stream(request)
    socket.off('data', onData)
    socket.setTimeout(0)
    say(socket, { ok: true })
    if (pending.length > 0 && !socket.destroyed) socket.unshift(pending)
    stream(socket)
  }
  const next = () => {
    const end = pending.indexOf('\n')
    if (busy || end === -1) {
      if (pending.length > REQUEST_MAX) socket.destroy()
      return
    }
    const line = pending.toString('utf8', 0, end)
    pending = pending.subarray(end + 1)
    busy = true
    // What waits for the end of the instance may wait.
    socket.setTimeout(0)
    handle(line)
      .catch(refuse)
      .finally(() => {
        busy = false
        if (ending) socket.end()
        else if (socket.listeners('data').includes(onData)) {
          socket.setTimeout(IDLE_MS)
          next()
        }
      })
  }
  const onData = (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes])
    if (pending.length > 2 * REQUEST_MAX) socket.destroy()
    else next()
  }
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('data', onData)
  socket.resume()
  return {
    end() {
      ending = true
      if (!busy) socket.end()
    },
  }
}

function say(socket: Socket, reply: object): void {
  if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`)
  if (socket.writableLength > UNREAD_MAX) socket.destroy()
}
