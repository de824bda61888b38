/**
 * One stream of a vsock device: its state, what its driver sends, and what the driver is owed. Nothing is kept here but
 * flags and counters: bytes wait in the host's stream, bounded by credit. virtio 1.2 §5.10.6.5
 */
import type { HostStream, StreamListener } from '../backends/vsock-streams.ts'
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import { type VsockAllowance, waitingBytesBeside } from './virtio-vsock-allowance.ts'
import { VsockCredit } from './virtio-vsock-credit.ts'
import {
  encodeHeader,
  HOST_CID,
  VIRTIO_VSOCK_OP,
  VIRTIO_VSOCK_SHUTDOWN,
  VIRTIO_VSOCK_TYPE_STREAM,
  VSOCK_HEADER_BYTES,
  type VsockHeader,
} from './virtio-vsock-packet.ts'

const OP = VIRTIO_VSOCK_OP
const { RECEIVE, SEND, BOTH } = VIRTIO_VSOCK_SHUTDOWN

/** A driver that does not answer a SHUTDOWN within this time is told RST; Linux waits as long for ours. */
const SHUTDOWN_MS = 8000

/**
 * `opening`: the guest asked, the host side is on its way. `asked`: a host program asked, the guest has not answered.
 * `parting`: no byte moves any more, the driver has still to hear it or to agree. `over`: nothing is left but to go.
 */
type State = 'opening' | 'asked' | 'open' | 'parting' | 'over'

export interface ConnectionHost {
  readonly guestCid: bigint
  readonly allowance: VsockAllowance
  /** There is a packet to send. */
  ready(connection: VsockConnection): void
  /** It is over, and all is said. */
  gone(connection: VsockConnection): void
  /** Runs a task later. @returns how to call it off */
  after(ms: number, task: () => void): () => void
}

export class VsockConnection implements StreamListener {
  readonly hostPort: number
  readonly guestPort: number
  readonly #host: ConnectionHost
  readonly #credit: VsockCredit
  /** To be given back when nothing of the stream is left. */
  #granted: number
  #stream: HostStream | undefined
  #state: State
  /** Operations the driver is owed: REQUEST, RESPONSE, CREDIT_UPDATE, RST. */
  readonly #owed = new Set<number>()
  /** Bits of SHUTDOWN that the driver sent, and that it was sent. */
  #guestShut = 0
  #hostShut = 0
  #hostClosed = false
  /** The driver was asked for credit, and has not given any since. */
  #creditAsked = false
  #callOff = () => {}

  /** @param asker who wants the stream */
  constructor(host: ConnectionHost, hostPort: number, guestPort: number, asker: 'guest' | 'host') {
    this.#host = host
    this.hostPort = hostPort
    this.guestPort = guestPort
    this.#granted = host.allowance.grant()
    this.#credit = new VsockCredit(this.#granted)
    this.#state = asker === 'guest' ? 'opening' : 'asked'
    if (asker === 'host') this.#owed.add(OP.REQUEST)
  }

  get halfOpen(): boolean {
    return this.#state === 'opening' || this.#state === 'asked'
  }

  /** The host's side of it. @param request of the guest, if that asked for it */
  join(stream: HostStream, request?: VsockHeader): void {
    this.#stream = stream
    stream.limitWaiting(waitingBytesBeside(this.#granted))
    if (request) this.#credit.learn(request)
    this.#announce()
  }

  /** Forgets everything at once: the driver is gone, or knows. */
  drop(): void {
    this.#state = 'over'
    this.#callOff()
    this.#abort()
  }

  // --- what the host's stream says ---

  opened(): void {
    if (this.#state !== 'opening') return
    this.#state = 'open'
    this.#owed.add(OP.RESPONSE)
    this.#announce()
  }

  readable(): void {
    this.#announce()
  }

  forwarded(bytes: number): void {
    this.#credit.forward(bytes)
    if (this.#credit.updateDue) this.#owed.add(OP.CREDIT_UPDATE)
    this.#announce()
  }

  closed(): void {
    this.#hostClosed = true
    if (this.#state === 'asked' && this.#owed.has(OP.REQUEST)) {
      // The guest has not heard of it yet, and need not.
      this.drop()
      this.#host.gone(this)
    } else if (this.halfOpen) this.#break()
    else this.#announce()
  }

  // --- what the driver says ---

  /** @param chain whose payload of `header.len` bytes follows the header */
  handle(header: VsockHeader, chain: Chain): void {
    if (header.op === OP.RST) {
      this.drop()
      this.#host.gone(this)
      return
    }
    if (this.#state === 'over') return
    if (this.#learn(header) && this.#fits(header, chain)) this.#announce()
    else this.#break()
  }

  /** Every packet tells the credit. @returns whether it can be true */
  #learn(header: VsockHeader): boolean {
    const before = this.#credit.room
    const credible = this.#credit.learn(header)
    if (this.#credit.room > before) this.#creditAsked = false
    return credible
  }

  /** @returns whether the driver may say so now */
  #fits(header: VsockHeader, chain: Chain): boolean {
    switch (header.op) {
      case OP.RESPONSE:
        if (this.#state !== 'asked' || this.#owed.has(OP.REQUEST)) return false
        this.#state = 'open'
        this.#stream!.accept(this.hostPort)
        return true
      case OP.RW:
        return this.#takeData(header, chain)
      case OP.CREDIT_REQUEST:
        this.#owed.add(OP.CREDIT_UPDATE)
        return !this.halfOpen
      case OP.CREDIT_UPDATE:
        return !this.halfOpen
      case OP.SHUTDOWN:
        this.#shutdown(header.flags & BOTH)
        return !this.halfOpen
      default:
        return false
    }
  }

  #takeData({ len }: VsockHeader, chain: Chain): boolean {
    if (this.halfOpen || (this.#guestShut & SEND) !== 0) return false
    if (!this.#credit.take(len)) return false
    // What was on its way when the host's side ended.
    if (this.#state !== 'open' || this.#hostClosed) this.#credit.forward(len)
    else if (len > 0) {
      const bytes = new Uint8Array(len)
      gather(chain.readable, bytes, VSOCK_HEADER_BYTES)
      this.#stream!.send(bytes)
    }
    return true
  }

  #shutdown(flags: number): void {
    const added = flags & ~this.#guestShut
    this.#guestShut |= flags
    if (this.halfOpen || this.#state === 'over') return
    if (this.#guestShut === BOTH) {
      // Bytes under way still reach the host program; the driver may use the ports again.
      this.#close()
      this.#part()
    } else if (this.#state === 'open') {
      if ((added & SEND) !== 0) this.#stream!.endSending()
      if ((added & RECEIVE) !== 0) this.#stream!.endReceiving()
    }
  }

  // --- what the driver is told ---

  get hasPacket(): boolean {
    return this.#next !== undefined
  }

  /** Writes the next packet into an empty buffer that has room for at least a header. @returns bytes written */
  fill(chain: Chain): number {
    const op = this.#next
    if (op === undefined) return 0
    let len = 0
    if (op === OP.RW) {
      len = this.#receive(chain)
      this.#credit.sent(len)
    } else if (op === OP.SHUTDOWN) this.#saidShutdown()
    else if (op === OP.CREDIT_REQUEST) this.#creditAsked = true
    else this.#owed.delete(op)
    const header = encodeHeader({
      srcCid: BigInt(HOST_CID),
      dstCid: this.#host.guestCid,
      srcPort: this.hostPort,
      dstPort: this.guestPort,
      len,
      type: VIRTIO_VSOCK_TYPE_STREAM,
      op,
      flags: op === OP.SHUTDOWN ? this.#hostShut : 0,
      ...this.#credit.stamp(),
    })
    // Every packet tells the credit.
    this.#owed.delete(OP.CREDIT_UPDATE)
    scatter(chain.writable, header)
    if (op === OP.RST) this.#host.gone(this)
    return VSOCK_HEADER_BYTES + len
  }

  /** The operation to send next, if any. */
  get #next(): number | undefined {
    if (this.#owed.has(OP.RST)) return OP.RST
    if (this.#state === 'over') return undefined
    if (this.#owed.has(OP.REQUEST)) return OP.REQUEST
    if (this.halfOpen) return undefined
    if (this.#owed.has(OP.RESPONSE)) return OP.RESPONSE
    const stream = this.#stream
    if (stream && this.#state === 'open') {
      if (stream.waiting > 0 && (this.#guestShut & RECEIVE) === 0) {
        if (this.#credit.room > 0) return OP.RW
        if (!this.#creditAsked) return OP.CREDIT_REQUEST
      } else if ((this.#shut & ~this.#hostShut) !== 0) return OP.SHUTDOWN
    }
    return this.#owed.has(OP.CREDIT_UPDATE) ? OP.CREDIT_UPDATE : undefined
  }

  /** What the host program does not do any more. */
  get #shut(): number {
    return this.#hostClosed ? BOTH : this.#stream?.ended ? SEND : 0
  }

  #saidShutdown(): void {
    this.#hostShut |= this.#shut
    if (this.#hostShut !== BOTH) return
    this.#state = 'parting'
    this.#callOff = this.#host.after(SHUTDOWN_MS, () => this.#break())
  }

  /** Moves bytes of the host program straight into the driver's buffers. */
  #receive({ writable }: Chain): number {
    let skip = VSOCK_HEADER_BYTES
    let left = this.#credit.room
    let done = 0
    for (const segment of writable) {
      const part = segment.subarray(skip, skip + left)
      skip = Math.max(0, skip - segment.length)
      const count = part.length === 0 ? 0 : this.#stream!.receive(part)
      done += count
      left -= count
      if (count < part.length || left === 0) break
    }
    return done
  }

  /** The rules were broken, or nobody is there: both sides hear of it. */
  #break(): void {
    this.#abort()
    this.#part()
  }

  #abort(): void {
    this.#stream?.abort()
    this.#stream = undefined
    this.#giveBack(this.#granted)
    this.#granted = 0
  }

  /** What was granted is in use until the last bytes have left. */
  #close(): void {
    const granted = this.#granted
    this.#granted = 0
    this.#stream?.close(() => this.#giveBack(granted))
    this.#stream = undefined
  }

  #giveBack(granted: number): void {
    if (granted > 0) this.#host.allowance.giveBack(granted)
  }

  #part(): void {
    this.#callOff()
    this.#state = 'over'
    this.#owed.clear()
    this.#owed.add(OP.RST)
    this.#announce()
  }

  #announce(): void {
    if (this.hasPacket) this.#host.ready(this)
  }
}
