/**
 * The host's side of a vsock device as Unix sockets, in the way of Firecracker and Cloud Hypervisor: a host program
 * connects to the VM's socket, sends `CONNECT <guest port>` as a line, reads `OK <host port>`, and then has its stream;
 * what the guest connects to as port P of the host is the socket `<path>_P`, if somebody listens there.
 */
import { closeSync, constants, lstatSync, openSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { HostError, pathFault, UsageError } from '../errors.ts'
import { createAttemptLimit } from './attempt-limit.ts'
import { readVsockGreeting } from './vsock-greeting.ts'
import { SocketStream } from './vsock-socket-stream.ts'
import type { ConnectHandler, VsockBackend } from './vsock-streams.ts'

/** Sockets of one VM: streams, those that are being made, and those whose last bytes are leaving. */
export const VSOCK_SOCKETS_MAX = 512
/** The guest may ask for so many streams at once, and so many in a second: each is a system call or two. */
const ATTEMPTS_AT_ONCE = 256
const ATTEMPTS_PER_SECOND = 1000
/** A name in the file system has room for so many bytes: unix(7), sun_path. */
const PATH_MAX = 107
const PORT_SUFFIX_MAX = '_4294967295'.length

export interface VsockSockets extends VsockBackend {
  /** Takes no more connections, ends those there are and removes the socket; idempotent. */
  close(): void
}

export interface VsockSocketsOptions {
  /** Whether the guest may ask for one more stream now. */
  readonly mayTry?: () => boolean
}

/** @throws HostError when the socket cannot be made, UsageError when its name is too long */
export async function listenVsock(
  path: string,
  { mayTry = createAttemptLimit(ATTEMPTS_PER_SECOND, ATTEMPTS_AT_ONCE) }: VsockSocketsOptions = {},
): Promise<VsockSockets> {
  const place = openPlace(path)
  try {
    const sockets = new Sockets(place.path, mayTry)
    const server = await listen(place.path, path, (socket) => sockets.greet(socket))
    return {
      connect: (hostPort, listener) => sockets.connect(hostPort, listener),
      onConnect: (handler) => sockets.onConnect(handler),
      close() {
        // The server removes the socket's file; for that it needs the directory.
        server.close()
        sockets.close()
        place.close()
      },
    }
  } catch (error) {
    place.close()
    throw error
  }
}

class Sockets implements VsockBackend {
  readonly #path: string
  readonly #open = new Set<Socket>()
  readonly #mayTry: () => boolean
  #handler: ConnectHandler = () => undefined

  constructor(path: string, mayTry: () => boolean) {
    this.#path = path
    this.#mayTry = mayTry
  }

  onConnect(handler: ConnectHandler): void {
    this.#handler = handler
  }

  connect(hostPort: number, listener: Parameters<VsockBackend['connect']>[1]) {
    if (this.#full || !this.#mayTry()) return undefined
    const socket = connect({ path: `${this.#path}_${hostPort}`, allowHalfOpen: true })
    this.#keep(socket)
    const stream = new SocketStream(socket)
    stream.listen(listener)
    socket.once('connect', () => stream.opened())
    return stream
  }

  /** A host program has connected; it has still to say to which port. */
  greet(socket: Socket): void {
    if (this.#full) {
      socket.destroy()
      return
    }
    this.#keep(socket)
    readVsockGreeting(socket, (guestPort) => {
      const stream = new SocketStream(socket)
      const listener = this.#handler(guestPort, stream)
      if (listener) stream.listen(listener)
      else socket.destroy()
    })
  }

  close(): void {
    for (const socket of this.#open) socket.destroy()
  }

  get #full(): boolean {
    return this.#open.size >= VSOCK_SOCKETS_MAX
  }

  #keep(socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    // A peer that has gone is no fault; `close` follows.
    socket.on('error', () => {})
  }
}

/** A short way to the socket, however deep its directory: through the directory's descriptor. */
function openPlace(path: string): { readonly path: string; close(): void } {
  let fd: number
  try {
    fd = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (cause) {
    throw new HostError(`Cannot make the vsock socket ${path}: ${pathFault(cause)}.`, { cause })
  }
  let open = true
  const close = () => {
    if (open) closeSync(fd)
    open = false
  }
  const short = `/proc/self/fd/${fd}/${basename(path)}`
  if (Buffer.byteLength(short) + PORT_SUFFIX_MAX <= PATH_MAX) return { path: short, close }
  close()
  throw new UsageError(`Cannot make the vsock socket ${path}: its name is too long.`, {
    hint: 'Give it a name of at most 70 bytes.',
  })
}

async function listen(path: string, named: string, onConnection: (socket: Socket) => void): Promise<Server> {
  try {
    return await tryListen(path, onConnection)
  } catch (cause) {
    // Left by a process that was killed: nobody answers there any more.
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE' && (await isAbandoned(path))) {
      unlinkSync(path)
      return await tryListen(path, onConnection)
    }
    const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
    const reason = inUse ? 'another process listens there, or it is no socket' : pathFault(cause)
    throw new HostError(`Cannot make the vsock socket ${named}: ${reason}.`, { cause })
  }
}

const tryListen = (path: string, onConnection: (socket: Socket) => void) =>
  new Promise<Server>((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, onConnection)
    // For good: one connection that cannot be accepted is no fault of the VM.
    server.on('error', reject)
    // It is bound inside this call: nobody else has it open before it is closed to others.
    const before = process.umask(0o177)
    try {
      server.listen(path, () => resolve(server))
    } finally {
      process.umask(before)
    }
    server.unref()
  })

const isAbandoned = (path: string) =>
  new Promise<boolean>((resolve) => {
    // A file that is no socket refuses connections too.
    if (!lstatSync(path).isSocket()) return resolve(false)
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
