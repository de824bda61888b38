/**
 * Two network backends joined in memory: what one sends the other receives, whole and in order. Joins two devices, or
 * a device and a test.
 */
import type { IoVector } from '../memory/io-vector.ts'
import { type NetBackend, type NetListener, NO_OFFLOADS, type Offloads } from './net-backend.ts'

export interface WireOptions {
  /** Frames on their way to one end; more are 'full'. */
  readonly capacity?: number
  readonly mtu?: number
  /** Nobody completes frames here: the devices at both ends have to agree on them. */
  readonly offloads?: Offloads
}

export interface WireEnd extends NetBackend {
  /** What the device at this end asked for last. */
  readonly toGuest: Offloads
  readonly awaiting: boolean
  /** Frames on their way to this end. */
  readonly waiting: number
}

export const createNetWire = (
  options: WireOptions = {},
): { ends: readonly [WireEnd, WireEnd]; plug(up: boolean): void } => {
  const a = new End(options)
  const b = new End(options)
  a.peer = b
  b.peer = a
  return {
    ends: [a, b],
    plug(up) {
      for (const end of [a, b]) end.plug(up)
    },
  }
}

class End implements WireEnd {
  readonly offers: NetBackend['offers']
  readonly mtu: number
  linkUp = true
  toGuest = NO_OFFLOADS
  awaiting = false
  peer: End | undefined
  readonly #capacity: number
  readonly #frames: Uint8Array[] = []
  #listener: NetListener | undefined
  #wantsRoom = false

  constructor({ capacity = 256, mtu = 1500, offloads = NO_OFFLOADS }: WireOptions) {
    this.#capacity = capacity
    this.mtu = mtu
    this.offers = { toHost: offloads, toGuest: offloads }
  }

  get waiting(): number {
    return this.#frames.length
  }

  listen(listener: NetListener): void {
    this.#listener = listener
  }

  send(head: Uint8Array, segments: readonly Uint8Array[], offset: number): 'sent' | 'full' | 'dropped' {
    if (!this.linkUp) return 'dropped'
    const taken = this.peer!.put(Buffer.concat([head, Buffer.concat(segments).subarray(offset)]))
    this.#wantsRoom = !taken
    return taken ? 'sent' : 'full'
  }

  receive(into: IoVector): number {
    const frame = this.#frames.shift()
    if (frame === undefined) return 0
    let done = 0
    for (const segment of into.segments) {
      const part = frame.subarray(done, done + segment.length)
      segment.set(part)
      done += part.length
    }
    this.peer!.roomMade()
    return done
  }

  awaitFrames(wanted: boolean): void {
    this.awaiting = wanted
  }

  setOffloads(toGuest: Offloads): void {
    this.toGuest = toGuest
  }

  put(frame: Uint8Array): boolean {
    if (this.#frames.length >= this.#capacity) return false
    this.#frames.push(frame)
    if (this.awaiting) this.#listener?.readable()
    return true
  }

  roomMade(): void {
    if (!this.#wantsRoom) return
    this.#wantsRoom = false
    this.#listener?.writable()
  }

  plug(up: boolean): void {
    if (this.linkUp === up) return
    this.linkUp = up
    this.#listener?.linkChanged()
  }
}
