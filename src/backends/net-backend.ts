/**
 * What a network card sends its frames to and receives them from: a tap of the host, or in tests a wire in memory.
 * Every frame has a `virtio_net_hdr_v1` of 12 bytes in front, virtio 1.2 §5.1.6.
 */
import type { IoVector } from '../memory/io-vector.ts'

export const NET_HEADER_BYTES = 12

/** What one side may leave undone in a frame, because the other side can live with it. */
export interface Offloads {
  /** The transport checksum is not worked out yet. The others need this one. */
  readonly checksum: boolean
  /** One frame for many TCP segments, to be cut where a real wire begins. */
  readonly tso4: boolean
  readonly tso6: boolean
  /** Such frames may have the ECN bits set. */
  readonly ecn: boolean
  /** The same for UDP over IPv4 and IPv6. */
  readonly uso: boolean
}

export const NO_OFFLOADS: Offloads = { checksum: false, tso4: false, tso6: false, ecn: false, uso: false }

export interface NetListener {
  /** There may be frames, after `awaitFrames(true)`. */
  readable(): void
  /** There is room again, after a `send` that gave 'full'. */
  writable(): void
  /** The wire was plugged in or pulled out. */
  linkChanged(): void
}

export interface NetBackend {
  /** What frames of the guest may leave to the host, and what frames for the guest may leave to it. */
  readonly offers: { readonly toHost: Offloads; readonly toGuest: Offloads }
  /** Largest packet without its Ethernet header. */
  readonly mtu: number
  readonly linkUp: boolean
  /** Registers the one listener. */
  listen(listener: NetListener): void
  /**
   * One frame: `head`, then what the segments hold from `offset` on. A frame that is 'full' was not taken and is to be
   * offered again; 'dropped' is gone.
   */
  send(head: Uint8Array, segments: readonly Uint8Array[], offset: number): 'sent' | 'full' | 'dropped'
  /** One frame into what the vector names. @returns its bytes, cut to the vector's length; 0 when there is none */
  receive(into: IoVector): number
  /** Whether `readable` is to be called. What comes meanwhile waits, and is dropped when it is too much. */
  awaitFrames(wanted: boolean): void
  /** What frames for the guest may leave to it from now on. */
  setOffloads(toGuest: Offloads): void
}
