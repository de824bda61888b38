/**
 * Waits until files or directories are on their disk, while everything else of this process goes on: by io_uring, since the threads of
 * libuv's pool may all be inside a guest. Where that cannot be had the process waits.
 */
import { fsyncSync } from 'node:fs'
import { SyscallError } from '../../kvm-bindings/ffi.ts'
import { openAsyncFiles } from '../backends/disk/async-files.ts'
import { Reactor } from '../backends/reactor.ts'

export async function syncFiles(fds: readonly number[]): Promise<void> {
  let failed: ((error: Error) => void) | undefined
  const reactor = new Reactor((error) => failed?.(error))
  try {
    const files = reactor.threads === 0 ? openAsyncFiles(reactor) : undefined
    if (files?.kind !== 'io_uring') {
      for (const fd of fds) fsyncSync(fd)
      return
    }
    try {
      reactor.start()
      await new Promise<void>((resolve, reject) => {
        failed = reject
        let left = fds.length
        let errno = 0
        for (const fd of fds) {
          // Less than this would do for files, but not for the names in a directory.
          files.fsync(fd, (result) => {
            if (result < 0) errno = -result
            if (--left > 0) return
            if (errno === 0) resolve()
            else reject(new SyscallError('fsync', errno))
          })
        }
        files.submit()
      })
    } finally {
      files.close()
    }
  } finally {
    await reactor.close()
  }
}
