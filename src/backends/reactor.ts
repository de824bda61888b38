/**
 * File descriptors to callbacks: one `epoll_wait` in flight on a libuv thread, callbacks on Node's event loop.
 * libuv cannot adopt an eventfd as a stream, so this is the way by which queue kicks (ioeventfd) reach the devices.
 */
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN } from '../../kvm-bindings/constants.ts'
import {
  close,
  EPOLL_EVENT_SIZE,
  epollCreate,
  epollCtl,
  epollEventAt,
  epollWaitAsync,
  eventfd,
  eventfdRead,
  eventfdWrite,
  SyscallError,
} from '../../kvm-bindings/ffi.ts'

const EVENTS_PER_WAIT = 32

export class Reactor {
  readonly #epoll = epollCreate()
  readonly #wake = eventfd(0, 0)
  readonly #events = new Uint8Array(EVENTS_PER_WAIT * EPOLL_EVENT_SIZE)
  readonly #callbacks = new Map<number, () => void>()
  #waiting = false
  #closing = false
  #closed: (() => void) | undefined
  readonly #onError: (error: SyscallError) => void

  /** @param onError epoll_wait itself failed: nobody is called back any more. */
  constructor(onError: (error: SyscallError) => void) {
    this.#onError = onError
    epollCtl(this.#epoll, EPOLL_CTL_ADD, this.#wake, EPOLLIN, this.#wake)
  }

  /** Calls back each time the eventfd was signalled; its count is consumed before the call. */
  watchEventfd(fd: number, callback: () => void): void {
    this.#callbacks.set(fd, () => {
      eventfdRead(fd)
      callback()
    })
    epollCtl(this.#epoll, EPOLL_CTL_ADD, fd, EPOLLIN, fd)
  }

  /** From here on a thread waits, and the process cannot leave before `close`. */
  start(): void {
    if (!this.#waiting && !this.#closing) this.#wait()
  }

  unwatch(fd: number): void {
    if (this.#callbacks.delete(fd)) epollCtl(this.#epoll, EPOLL_CTL_DEL, fd, 0, 0)
  }

  /** Resolves when no thread waits any more and the descriptors are closed. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    if (this.#waiting) {
      const closed = new Promise<void>((resolve) => {
        this.#closed = resolve
      })
      eventfdWrite(this.#wake, 1n)
      await closed
    }
    close(this.#wake)
    close(this.#epoll)
  }

  #wait(): void {
    this.#waiting = true
    epollWaitAsync(this.#epoll, this.#events, EVENTS_PER_WAIT, -1, (count, errno) => {
      if (this.#closing || count < 0) {
        this.#waiting = false
        this.#closed?.()
        // Waiting again would fail again, at once and for ever.
        if (!this.#closing) this.#onError(new SyscallError('epoll_wait', errno))
        return
      }
      try {
        for (let index = 0; index < count; index++) {
          this.#callbacks.get(epollEventAt(this.#events, index).data)?.()
        }
      } finally {
        // Also after an exception: close() counts on a wait in flight.
        this.#wait()
      }
    })
  }
}
