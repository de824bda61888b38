/** AsyncFiles by blocking calls on libuv's pool: for hosts that forbid io_uring. */
import { EINTR } from '../../../kvm-bindings/constants.ts'
import { fallocateAsync, fdatasyncAsync } from '../../../kvm-bindings/disk-file.ts'
import { preadvAsync, pwritevAsync } from '../../../kvm-bindings/vector-io.ts'
import type { AsyncFiles, FileDone } from './async-files.ts'

/** More idle threads slow the vCPU down (src/machine/thread-pool.ts), so one has to do for all disks of a VM. */
const THREADS = 1

type Call = (end: FileDone) => void

export function createPoolFiles(): AsyncFiles {
  // They wait here, not in the pool: others have calls for it too, and koffi takes only so many at once.
  const waiting: { readonly call: Call; readonly done: FileDone }[] = []
  let running = 0
  const next = (): void => {
    const first = running < THREADS ? waiting.shift() : undefined
    if (!first) return
    running++
    first.call((result) => {
      running--
      if (result === -EINTR) waiting.unshift(first)
      next()
      if (result !== -EINTR) first.done(result)
    })
  }
  const run = (done: FileDone, call: Call): void => {
    waiting.push({ call, done })
    next()
  }
  return {
    kind: 'thread pool',
    threads: THREADS,
    preadv: (fd, vector, offset, done) => run(done, (end) => preadvAsync(fd, vector, offset, end)),
    pwritev: (fd, vector, offset, done) => run(done, (end) => pwritevAsync(fd, vector, offset, end)),
    fdatasync: (fd, done) => run(done, (end) => fdatasyncAsync(fd, end)),
    fallocate: (fd, mode, offset, length, done) => run(done, (end) => fallocateAsync(fd, mode, offset, length, end)),
    submit: () => {},
    close: () => {},
  }
}
