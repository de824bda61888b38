/**
 * A tap of the host behind a network card: frames move between guest memory and the kernel by one readv or writev each.
 * The tap's own queue waits for a slow guest, and drops what is too much.
 */
import {
  EAGAIN,
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  TUN_F_CSUM,
  TUN_F_TSO_ECN,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_USO4,
  TUN_F_USO6,
} from '../../kvm-bindings/constants.ts'
import { close, SyscallError } from '../../kvm-bindings/ffi.ts'
import { interfaceFacts, isPersistentTap, openTap, setTapOffload } from '../../kvm-bindings/tap.ts'
import { readv, writev } from '../../kvm-bindings/vector-io.ts'
import { IoVector } from '../memory/io-vector.ts'
import type { NetBackend, NetListener, Offloads } from './net-backend.ts'
import type { Reactor } from './reactor.ts'

/** errno(3): the interface is down; there is none; it has been removed. */
const EIO = 5
const ENODEV = 19
const EBADFD = 77

const USO = TUN_F_USO4 | TUN_F_USO6
const SEGMENTATION_FLAGS = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN
const SEGMENTATION = { checksum: true, tso4: true, tso6: true, ecn: true }

export interface Tap extends NetBackend {
  readonly name: string
  close(): void
}

/** @throws SyscallError of the call that failed: see kvm-bindings/tap.ts */
export function attachTap(name: string, reactor: Reactor): Tap {
  const facts = interfaceFacts(name)
  const fd = openTap(name)
  try {
    // One that came into being just now is nobody's: the one looked at has gone in between.
    if (!isPersistentTap(fd)) throw new SyscallError(`attach to ${name}`, ENODEV)
    return new HostTap({ name, fd, reactor, ...facts, uso: takesUso(fd) })
  } catch (error) {
    close(fd)
    throw error
  }
}

/** Linux 6.2 and later. The others every Linux has; they are tried too, so that none is refused in a guest's life. */
function takesUso(fd: number): boolean {
  setTapOffload(fd, SEGMENTATION_FLAGS)
  try {
    setTapOffload(fd, SEGMENTATION_FLAGS | USO)
    return true
  } catch {
    return false
  } finally {
    setTapOffload(fd, 0)
  }
}

interface TapFacts {
  readonly name: string
  readonly fd: number
  readonly reactor: Reactor
  readonly up: boolean
  readonly mtu: number
  readonly uso: boolean
}

class HostTap implements Tap {
  readonly name: string
  readonly mtu: number
  readonly offers: NetBackend['offers']
  linkUp: boolean
  readonly #fd: number
  readonly #reactor: Reactor
  readonly #out = new IoVector()
  readonly #headOnly: [Uint8Array] = [new Uint8Array(0)]
  #listener: NetListener | undefined
  #wantsFrames = false
  #wantsRoom = false
  /** EPOLL bits that the reactor watches for. */
  #watched = 0
  #gone = false
  #closed = false

  constructor({ name, fd, reactor, up, mtu, uso }: TapFacts) {
    this.name = name
    this.mtu = mtu
    this.linkUp = up
    this.offers = { toHost: { ...SEGMENTATION, uso }, toGuest: { ...SEGMENTATION, uso } }
    this.#fd = fd
    this.#reactor = reactor
    reactor.watch(fd, 0, (events) => this.#onEvents(events))
    this.#watch()
  }

  listen(listener: NetListener): void {
    this.#listener = listener
  }

  send(head: Uint8Array, segments: readonly Uint8Array[], offset: number): 'sent' | 'full' | 'dropped' {
    this.#headOnly[0] = head
    this.#out.pack(this.#headOnly)
    this.#out.append(segments, offset)
    const result = writev(this.#fd, this.#out)
    if (result >= 0) return 'sent'
    if (result === -EAGAIN) {
      this.#wantsRoom = true
      this.#watch()
      return 'full'
    }
    if (result === -EIO || result === -EBADFD) this.#setLink(false)
    return 'dropped'
  }

  receive(into: IoVector): number {
    return Math.max(0, readv(this.#fd, into))
  }

  awaitFrames(wanted: boolean): void {
    if (this.#wantsFrames === wanted) return
    this.#wantsFrames = wanted
    this.#watch()
  }

  setOffloads({ checksum, tso4, tso6, ecn, uso }: Offloads): void {
    if (this.#gone || this.#closed) return
    const flags =
      (checksum ? TUN_F_CSUM : 0) |
      (tso4 ? TUN_F_TSO4 : 0) |
      (tso6 ? TUN_F_TSO6 : 0) |
      (ecn ? TUN_F_TSO_ECN : 0) |
      (uso ? USO : 0)
    try {
      setTapOffload(this.#fd, flags)
    } catch {
      // It took these flags when it was opened, so it has been removed since.
      this.#setLink(false)
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#listener = undefined
    this.#reactor.unwatch(this.#fd)
    close(this.#fd)
  }

  /** While the interface is down it is not writable; once it is up again, Linux says so (tun_chr_poll). */
  #watch(): void {
    const wanted = this.#gone ? 0 : (this.#wantsFrames ? EPOLLIN : 0) | (this.#wantsRoom || !this.linkUp ? EPOLLOUT : 0)
    if (wanted === this.#watched || this.#closed) return
    this.#watched = wanted
    this.#reactor.change(this.#fd, wanted)
  }

  #onEvents(events: number): void {
    if ((events & EPOLLERR) !== 0) this.#onGone()
    if ((events & EPOLLOUT) !== 0) {
      this.#setLink(true)
      this.#wantsRoom = false
      this.#watch()
      this.#listener?.writable()
    }
    if ((events & EPOLLIN) !== 0 && this.#wantsFrames) this.#listener?.readable()
  }

  /** The interface was removed: an error for ever, so nobody waits any more. */
  #onGone(): void {
    this.#gone = true
    this.#reactor.unwatch(this.#fd)
    this.#watched = 0
    this.#setLink(false)
    // A frame that waits for room need not: it is dropped now.
    this.#listener?.writable()
  }

  #setLink(up: boolean): void {
    if (this.linkUp === up) return
    this.linkUp = up
    this.#watch()
    this.#listener?.linkChanged()
  }
}
