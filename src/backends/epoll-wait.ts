/**
 * Two ways to learn that an epoll descriptor has events: from Node's event loop, which is told to watch it (epoll
 * descriptors nest, epoll(7)), or from a thread of libuv's pool that sits in epoll_wait. Events are taken by the caller.
 */
import { EPOLL_CTL_ADD, EPOLLIN } from '../../kvm-bindings/constants.ts'
import {
  close,
  EPOLL_EVENT_SIZE,
  epollCreate,
  epollCtl,
  epollWaitAsync,
  eventfd,
  eventfdWrite,
  pollOnLoop,
  SyscallError,
} from '../../kvm-bindings/ffi.ts'

export interface EpollWaitOptions {
  readonly epoll: number
  /** Called again as long as there are events. Must not throw. */
  readonly onReady: () => void
  /** The last call. */
  readonly onError: (error: SyscallError) => void
}

export interface EpollWait {
  /** `onReady` is not called any more. Resolves when the descriptor may be closed. */
  close(): Promise<void>
}

/** Only where `canPollOnLoop`. */
export function waitOnLoop({ epoll, onReady, onError }: EpollWaitOptions): EpollWait {
  const stop = pollOnLoop(epoll, (status) => {
    if (status >= 0) return onReady()
    stop()
    onError(new SyscallError('uv_poll', -status))
  })
  return { close: async () => stop() }
}

/** Occupies one thread of the pool. */
export function waitOnThread({ epoll, onReady, onError }: EpollWaitOptions): EpollWait {
  // Nested here too: the wake-up that ends the thread's wait stays apart from the caller's events.
  const outer = epollCreate()
  const wake = eventfd(0, 0)
  const events = new Uint8Array(EPOLL_EVENT_SIZE)
  let closing = false
  let ended = () => {}
  const done = new Promise<void>((resolve) => {
    ended = resolve
  })
  const wait = () =>
    epollWaitAsync(outer, events, 1, -1, (count, errno) => {
      // Waiting again after a failure would fail again, at once and for ever.
      if (count < 0) onError(new SyscallError('epoll_wait', errno))
      else if (!closing) onReady()
      if (count < 0 || closing) ended()
      else wait()
    })

  epollCtl(outer, EPOLL_CTL_ADD, wake, EPOLLIN, 0)
  epollCtl(outer, EPOLL_CTL_ADD, epoll, EPOLLIN, 1)
  wait()
  const end = async () => {
    closing = true
    eventfdWrite(wake, 1n)
    await done
    close(wake)
    close(outer)
  }
  let ending: Promise<void> | undefined
  return {
    close: () => {
      ending ??= end()
      return ending
    },
  }
}
