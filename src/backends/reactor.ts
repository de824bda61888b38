/**
 * File descriptors to callbacks on Node's event loop: how queue kicks (ioeventfd) and readiness of the host's files
 * reach the devices. One epoll descriptor for all, itself watched by the event loop; where that cannot be had, an
 * epoll_wait stays in flight on a thread of libuv's pool, which doubles the latency.
 */
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLIN } from '../../kvm-bindings/constants.ts'
import {
  canPollOnLoop,
  close,
  EPOLL_EVENT_SIZE,
  epollCreate,
  epollCtl,
  epollTake,
  type SyscallError,
} from '../../kvm-bindings/ffi.ts'
import { type EpollWait, waitOnLoop, waitOnThread } from './epoll-wait.ts'

/** Descriptors served in one turn of the event loop: timers, exits and other VMs come in between. */
const EVENTS_PER_TURN = 32

interface Watch {
  readonly fd: number
  readonly callback: (events: number) => void
}

export interface ReactorOptions {
  /** By a thread even where the event loop could wait itself. */
  readonly threaded?: boolean
}

export class Reactor {
  /** How many of libuv's pool it occupies once started. */
  readonly threads: number
  readonly #epoll = epollCreate()
  readonly #events = new Uint8Array(EVENTS_PER_TURN * EPOLL_EVENT_SIZE)
  readonly #view = new DataView(this.#events.buffer)
  readonly #onError: (error: SyscallError) => void
  /** By the number that comes back with each event; never used twice, since descriptors are. */
  readonly #watches = new Map<number, Watch>()
  readonly #numbers = new Map<number, number>()
  #lastNumber = 0
  #wait: EpollWait | undefined
  #closing: Promise<void> | undefined

  /** @param onError epoll_wait itself failed: nobody is called back any more. */
  constructor(onError: (error: SyscallError) => void, { threaded = false }: ReactorOptions = {}) {
    this.#onError = onError
    this.threads = threaded || !canPollOnLoop() ? 1 : 0
  }

  /**
   * Calls back after the eventfd was signalled, once for signals that came close together. Its count is left alone:
   * an edge of epoll says all there is to know, and reading costs a system call for each kick.
   */
  watchEventfd(fd: number, callback: () => void): void {
    // Edge-triggered: every write to an eventfd is an edge, whatever its count was.
    this.#add({ fd, callback }, EPOLLIN | EPOLLET)
  }

  /**
   * Calls back with EPOLL bits for as long as the descriptor is ready: level-triggered, so read or write until EAGAIN, or
   * ask for less with `change`. EPOLLERR and EPOLLHUP come unasked: `unwatch` then, or they come for ever.
   */
  watch(fd: number, events: number, callback: (events: number) => void): void {
    this.#add({ fd, callback }, events)
  }

  /** What a descriptor given to `watch` is watched for from now on, e.g. EPOLLOUT only while output waits. */
  change(fd: number, events: number): void {
    const number = this.#numbers.get(fd)
    if (number !== undefined) epollCtl(this.#epoll, EPOLL_CTL_MOD, fd, events, number)
  }

  /** Before the descriptor is closed. */
  unwatch(fd: number): void {
    const number = this.#numbers.get(fd)
    if (number === undefined) return
    this.#numbers.delete(fd)
    this.#watches.delete(number)
    epollCtl(this.#epoll, EPOLL_CTL_DEL, fd, 0, 0)
  }

  /** From here on callbacks come, and the process stays alive until `close`. */
  start(): void {
    if (this.#wait || this.#closing) return
    const options = { epoll: this.#epoll, onReady: () => this.#dispatch(), onError: this.#onError }
    this.#wait = this.threads > 0 ? waitOnThread(options) : waitOnLoop(options)
  }

  /** Nobody is called back any more. Resolves when the descriptors are closed. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#watches.clear()
      this.#numbers.clear()
      await this.#wait?.close()
      close(this.#epoll)
    })()
    return this.#closing
  }

  #add(watch: Watch, events: number): void {
    const number = ++this.#lastNumber
    epollCtl(this.#epoll, EPOLL_CTL_ADD, watch.fd, events, number)
    this.#watches.set(number, watch)
    this.#numbers.set(watch.fd, number)
  }

  #dispatch(): void {
    const count = this.#take()
    for (let at = 0; at < count * EPOLL_EVENT_SIZE; at += EPOLL_EVENT_SIZE) {
      // struct epoll_event is packed on x86-64: events, then data.
      const watch = this.#watches.get(this.#view.getUint32(at + 4, true))
      try {
        watch?.callback(this.#view.getUint32(at, true))
      } catch (error) {
        // An edge comes once, so the others are still served; the exception goes where any uncaught one goes.
        setImmediate(() => {
          throw error
        })
      }
    }
  }

  #take(): number {
    try {
      return epollTake(this.#epoll, this.#events, EVENTS_PER_TURN)
    } catch (error) {
      // It would fail again, at once and for ever.
      void this.#wait?.close()
      this.#onError(error as SyscallError)
      return 0
    }
  }
}
