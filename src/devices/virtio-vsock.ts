/**
 * Sockets between guest and host without a network: streams by context identifier and port. Guest ports are reached by
 * host programs, host ports by the guest; what a host port is, the backend knows. virtio 1.2 §5.10
 */
import type { HostStream, VsockBackend } from '../backends/vsock-streams.ts'
import { BugError } from '../errors.ts'
import { type Chain, scatter } from '../virtio/chain.ts'
import { type DeviceHost, type DeviceQueue, VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'
import { DriverError } from '../virtio/driver-error.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import { VsockAllowance } from './virtio-vsock-allowance.ts'
import { type ConnectionHost, VsockConnection } from './virtio-vsock-connection.ts'
import {
  encodeHeader,
  HOST_CID,
  readHeader,
  VIRTIO_VSOCK_OP,
  VIRTIO_VSOCK_TYPE_STREAM,
  VSOCK_HEADER_BYTES,
  type VsockHeader,
} from './virtio-vsock-packet.ts'

export const VIRTIO_VSOCK_F_STREAM = 1n << 0n
/** struct virtio_vsock_event: le32 id, of which there is one. §5.10.6.7 */
const TRANSPORT_RESET = new Uint8Array(4)

const RX = 0
const TX = 1
const EVENT = 2

/** Streams of one guest at a time, with those that are being made: they bound what it can make the host keep. */
export const VSOCK_STREAMS_MAX = 256
/** Streams that the guest asked for and that have no host program yet. */
export const VSOCK_HALF_OPEN_MAX = 32
/** Answers to packets of no stream. A driver that takes none of them is not listened to any more (§5.10.6.1). */
export const VSOCK_RESETS_MAX = 64
/** Host ports for streams that host programs ask for, well above those that anybody listens on. */
const FIRST_HOST_PORT = 2 ** 30
const HOST_PORTS = 2 ** 30

export interface VsockOptions {
  readonly backend: VsockBackend
  /** The guest's context identifier; 3 unless said. */
  readonly guestCid?: number
  /** Runs a task later; a timer unless said. @returns how to call it off */
  readonly after?: (ms: number, task: () => void) => () => void
}

export const virtioVsock = (options: VsockOptions): VirtioDevice => new Vsock(options)

class Vsock implements VirtioDevice, ConnectionHost {
  readonly id = VIRTIO_ID.vsock
  readonly name = 'vsock'
  readonly features = VIRTIO_VSOCK_F_STREAM
  /** struct virtio_vsock_config: le64 guest_cid. */
  readonly config = new Uint8Array(8)
  readonly queues = [
    { name: 'rx', maxSize: 128 },
    { name: 'tx', maxSize: 128 },
    { name: 'event', maxSize: 16 },
  ]
  readonly guestCid: bigint
  readonly after: NonNullable<VsockOptions['after']>
  /** Streams whose last bytes are leaving have theirs still. */
  readonly allowance = new VsockAllowance(2 * VSOCK_STREAMS_MAX)
  readonly #backend: VsockBackend
  #host: DeviceHost | undefined
  readonly #connections = new Map<string, VsockConnection>()
  /** Those with a packet for the driver, in turn. */
  readonly #ready = new Set<VsockConnection>()
  /** RST packets to send that belong to no stream, by their ports: a storm of the same one is one. */
  readonly #resets = new Map<string, Uint8Array>()
  #nextHostPort = 0
  #transportReset = false

  constructor({ backend, guestCid = 3, after = later }: VsockOptions) {
    if (!(Number.isInteger(guestCid) && guestCid > HOST_CID && guestCid < 0xffffffff))
      throw new BugError(`Cannot offer vsock: the context identifier ${guestCid} is reserved.`)
    this.guestCid = BigInt(guestCid)
    this.after = after
    this.#backend = backend
    new DataView(this.config.buffer).setBigUint64(0, this.guestCid, true)
    backend.onConnect((guestPort, stream) => this.#connectGuest(guestPort, stream))
  }

  activate(host: DeviceHost): void {
    this.#host = host
  }

  onAvailable(index: number, queue: DeviceQueue): void {
    if (index === RX) this.#send(queue)
    else if (index === TX) this.#receive(queue)
    else if (index === EVENT) this.#sendEvent(queue)
  }

  halted(): void {
    this.#drop()
  }

  reset(): void {
    this.#drop()
    this.#transportReset = false
  }

  /** Streams do not outlive a snapshot: their other ends are programs of that host, at that time. */
  save(): Json {
    return { streams: this.#connections.size, nextHostPort: this.#nextHostPort % HOST_PORTS }
  }

  /** The driver is told only if it had any: from then on it would take those for lost that are new. */
  restore(state: Json): void {
    const saved = new SavedFields('virtio-vsock', state)
    this.#transportReset = saved.integer('streams', VSOCK_STREAMS_MAX) > 0
    // The driver may remember for a while the ports of streams that have ended: a new one takes others.
    this.#nextHostPort = saved.integer('nextHostPort', HOST_PORTS)
  }

  // --- what connections ask for ---

  ready(connection: VsockConnection): void {
    this.#ready.add(connection)
    this.#host?.serve(RX)
  }

  gone(connection: VsockConnection): void {
    this.#ready.delete(connection)
    this.#connections.delete(keyOf(connection))
  }

  // --- from the driver ---

  #receive(queue: DeviceQueue): void {
    while (this.#resets.size < VSOCK_RESETS_MAX) {
      const chain = queue.next()
      if (!chain) return
      const header = readHeader(chain)
      if (!header) throw new DriverError(`a packet of ${chain.readableBytes} bytes, shorter than its header`)
      const length = chain.readableBytes - VSOCK_HEADER_BYTES
      if (header.len > length) throw new DriverError(`a packet says ${header.len} bytes of payload and has ${length}`)
      // Others' packets are not this device's to answer.
      if (header.srcCid === this.guestCid && header.dstCid === BigInt(HOST_CID)) this.#handle(header, chain)
      chain.complete(0)
    }
  }

  #handle(header: VsockHeader, chain: Chain): void {
    const { type, op } = header
    const connection = this.#connections.get(keyOf({ hostPort: header.dstPort, guestPort: header.srcPort }))
    if (type !== VIRTIO_VSOCK_TYPE_STREAM) this.#refuse(header)
    else if (connection) connection.handle(header, chain)
    else if (op === VIRTIO_VSOCK_OP.REQUEST) this.#connectHost(header)
    else this.#refuse(header)
  }

  #connectHost(request: VsockHeader): void {
    const { dstPort, srcPort } = request
    if (this.#full || this.#halfOpen >= VSOCK_HALF_OPEN_MAX) {
      this.#refuse(request)
      return
    }
    const connection = new VsockConnection(this, dstPort, srcPort, 'guest')
    const stream = this.#backend.connect(dstPort, connection)
    if (stream) {
      this.#connections.set(keyOf(connection), connection)
      connection.join(stream, request)
    } else {
      connection.drop()
      this.#refuse(request)
    }
  }

  /** Nobody answers an RST. */
  #refuse({ srcPort, dstPort, type, op }: VsockHeader): void {
    if (op === VIRTIO_VSOCK_OP.RST) return
    const packet = encodeHeader({
      srcCid: BigInt(HOST_CID),
      dstCid: this.guestCid,
      srcPort: dstPort,
      dstPort: srcPort,
      len: 0,
      type,
      op: VIRTIO_VSOCK_OP.RST,
      flags: 0,
      bufAlloc: 0,
      fwdCnt: 0,
    })
    this.#resets.set(`${dstPort} ${srcPort} ${type}`, packet)
    this.#host?.serve(RX)
  }

  // --- from the host ---

  #connectGuest(guestPort: number, stream: HostStream): VsockConnection | undefined {
    if (!this.#host || this.#full) return undefined
    const connection = new VsockConnection(this, this.#freeHostPort(guestPort), guestPort, 'host')
    this.#connections.set(keyOf(connection), connection)
    connection.join(stream)
    return connection
  }

  #freeHostPort(guestPort: number): number {
    for (;;) {
      const hostPort = FIRST_HOST_PORT + (this.#nextHostPort++ % HOST_PORTS)
      if (!this.#connections.has(keyOf({ hostPort, guestPort }))) return hostPort
    }
  }

  // --- to the driver ---

  /** One packet for each stream in turn: a busy one does not hold up the others. */
  #send(queue: DeviceQueue): void {
    for (;;) {
      const reset = this.#resets.entries().next().value
      const connection = reset ? undefined : this.#ready.values().next().value
      if (!reset && !connection) return
      if (connection) this.#ready.delete(connection)
      if (connection && !connection.hasPacket) continue
      const chain = queue.next()
      if (!chain) {
        if (connection) this.#ready.add(connection)
        return
      }
      // With no room for payload a stream would never get on.
      if (chain.writableBytes <= VSOCK_HEADER_BYTES)
        throw new DriverError(`a receive buffer of ${chain.writableBytes} bytes has no room for a packet`)
      if (reset) this.#sendReset(reset, chain)
      else if (connection) {
        chain.complete(connection.fill(chain))
        if (connection.hasPacket) this.#ready.add(connection)
      }
    }
  }

  #sendReset([key, packet]: [string, Uint8Array], chain: Chain): void {
    // The driver may have been left waiting for room here.
    if (this.#resets.size === VSOCK_RESETS_MAX) this.#host?.serve(TX)
    this.#resets.delete(key)
    chain.complete(scatter(chain.writable, packet))
  }

  #sendEvent(queue: DeviceQueue): void {
    if (!this.#transportReset) return
    const chain = queue.next()
    if (!chain) return
    if (chain.writableBytes < TRANSPORT_RESET.length) throw new DriverError('an event buffer too small for any event')
    this.#transportReset = false
    chain.complete(scatter(chain.writable, TRANSPORT_RESET))
  }

  get #full(): boolean {
    return this.#connections.size >= VSOCK_STREAMS_MAX
  }

  get #halfOpen(): number {
    let count = 0
    for (const connection of this.#connections.values()) if (connection.halfOpen) count++
    return count
  }

  #drop(): void {
    this.#host = undefined
    for (const connection of this.#connections.values()) connection.drop()
    this.#connections.clear()
    this.#ready.clear()
    this.#resets.clear()
  }
}

const keyOf = ({ hostPort, guestPort }: { readonly hostPort: number; readonly guestPort: number }): string =>
  `${hostPort} ${guestPort}`

const later = (ms: number, task: () => void): (() => void) => {
  const timer = setTimeout(task, ms).unref()
  return () => clearTimeout(timer)
}
