/** Frames over one transport. Those that are sent in one turn leave as one piece: a packet is what costs. */

import { frameReader } from './frame-reader.ts'
import type { AgentTransport } from './transport.ts'
import { frame } from './wire.ts'

export interface ConnectionListener {
  /** May throw: the connection is given up for it. */
  frame(type: number, session: number, payload: Buffer): void
  /** Once; `fault` when it did not end in order. */
  closed(fault?: unknown): void
}

export class Connection {
  readonly #transport: AgentTransport
  #listener: ConnectionListener | undefined
  #outgoing: Buffer[] = []

  constructor(transport: AgentTransport, listener: ConnectionListener) {
    this.#transport = transport
    this.#listener = listener
    const read = frameReader((type, session, payload) => this.#listener?.frame(type, session, payload))
    transport.onData((bytes) => {
      if (!this.#listener) return
      try {
        read(bytes)
      } catch (error) {
        this.abort(error)
      }
    })
    transport.onClosed((reason) => this.#closed(reason))
  }

  send(type: number, session: number, payload?: Uint8Array): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush())
    this.#outgoing.push(frame(type, session, payload))
  }

  /** We say nothing more; the listener hears when the guest has ended as well. */
  end(): void {
    this.#flush()
    this.#transport.end()
  }

  /** The listener hears of it at once. */
  abort(fault?: unknown): void {
    this.#closed(fault)
    this.#transport.destroy()
  }

  #closed(fault?: unknown): void {
    const listener = this.#listener
    this.#listener = undefined
    this.#outgoing = []
    listener?.closed(fault)
  }

  #flush(): void {
    const frames = this.#outgoing
    this.#outgoing = []
    if (frames.length > 0) this.#transport.send(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }
}
