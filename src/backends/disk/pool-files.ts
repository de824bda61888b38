/** AsyncFiles by blocking calls on libuv's pool: for hosts that forbid io_uring. */
import { ECANCELED, EINTR } from '../../../kvm-bindings/constants.ts'
import { fallocateAsync, fdatasyncAsync } from '../../../kvm-bindings/disk-file.ts'
import { fsyncAsync } from '../../../kvm-bindings/file-tree.ts'
import { preadvAsync, pwritevAsync } from '../../../kvm-bindings/vector-io.ts'
import { IoVector } from '../../memory/io-vector.ts'
import type { AsyncFiles, AsyncVector, FileDone } from './async-files.ts'

/** More idle threads slow the vCPU down (src/machine/thread-pool.ts), so one has to do for all disks of a VM. */
const THREADS = 1
/** A longer read is answered in part, and asked for again. */
const ASIDE_BYTES = 2 ** 20

interface Task {
  readonly fd: number
  readonly call: (end: FileDone, task: Task) => void
  readonly done: FileDone
  /** Its memory is no longer for it to write. */
  dropped: boolean
}

export function createPoolFiles(): AsyncFiles {
  // They wait here, not in the pool: others have calls for it too, and koffi takes only so many at once.
  let waiting: Task[] = []
  const running = new Set<Task>()
  const next = (): void => {
    const task = running.size < THREADS ? waiting.shift() : undefined
    if (!task) return
    running.add(task)
    task.call((result) => {
      running.delete(task)
      const again = result === -EINTR && !task.dropped
      if (again) waiting.unshift(task)
      next()
      if (!again) task.done(result)
    }, task)
  }
  const run = (fd: number, done: FileDone, call: Task['call']): void => {
    waiting.push({ fd, call, done, dropped: false })
    next()
  }
  return {
    kind: 'thread pool',
    threads: THREADS,
    preadv: (fd, vector, offset, done) => run(fd, done, (end, task) => readAside(task, vector, offset, end)),
    pwritev: (fd, vector, offset, done) => run(fd, done, (end) => pwritevAsync(fd, vector, offset, end)),
    fdatasync: (fd, done) => run(fd, done, (end) => fdatasyncAsync(fd, end)),
    fsync: (fd, done) => run(fd, done, (end) => fsyncAsync(fd, end)),
    fallocate: (fd, mode, offset, length, done) =>
      run(fd, done, (end) => fallocateAsync(fd, mode, offset, length, end)),
    submit: () => {},
    drain(fd) {
      for (const task of running) if (task.fd === fd) task.dropped = true
      const dropped = waiting.filter((task) => task.fd === fd)
      waiting = waiting.filter((task) => task.fd !== fd)
      for (const { done } of dropped) done(-ECANCELED)
    },
    close: () => {},
  }
}

/** A call on a thread cannot be taken back, so it reads into memory of ours: the guest's may have a new use by its end. */
function readAside(task: Task, vector: AsyncVector, offset: number, end: FileDone): void {
  const aside = new Uint8Array(Math.min(vector.length, ASIDE_BYTES))
  const into = new IoVector()
  into.pack([aside])
  preadvAsync(task.fd, into, offset, (result) => {
    if (!task.dropped && result > 0) vector.fill(aside.subarray(0, result))
    end(task.dropped ? -ECANCELED : result)
  })
}
