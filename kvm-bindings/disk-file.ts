/** What disks need of files besides reading and writing: durability, holes, locks, and the size of block devices. */
import { BLKGETSIZE64, EACCES, EAGAIN, EINTR, F_OFD_SETLK, F_RDLCK, F_WRLCK } from './constants.ts'
import { cFunction, ioctl, lastErrno, retrying } from './ffi.ts'
import { flock } from './structs/libc.ts'
import { SyscallError } from './syscall-error.ts'

const cFdatasync = cFunction('fdatasync', 'int', ['int'])
const cFallocate = cFunction('fallocate', 'int', ['int', 'int', 'int64', 'int64'])
const cFcntl = cFunction('fcntl', 'int', ['int', 'int', 'void *'])

export const fdatasync = (fd: number): void => {
  retrying(() => cFdatasync()(fd), 'fdatasync')
}

/** On a thread of libuv's pool; 0 or minus errno. */
export const fdatasyncAsync = (fd: number, done: (result: number) => void): void =>
  cFdatasync().async(fd, (_: unknown, result: number) => done(result < 0 ? -lastErrno() : 0))

/** On a thread of libuv's pool; 0 or minus errno. */
export const fallocateAsync = (
  fd: number,
  mode: number,
  offset: number,
  length: number,
  done: (result: number) => void,
): void =>
  cFallocate().async(fd, mode, offset, length, (_: unknown, result: number) => done(result < 0 ? -lastErrno() : 0))

/**
 * Locks the whole file for as long as this open of it lasts, or says that others are in the way: any number may hold it
 * `shared`, one alone `exclusive`. F_OFD_SETLK, fcntl(2)
 */
export function tryLockFile(fd: number, kind: 'shared' | 'exclusive'): boolean {
  const lock = flock.encode({
    l_type: kind === 'shared' ? F_RDLCK : F_WRLCK,
    l_whence: 0,
    l_start: 0n,
    l_len: 0n,
    l_pid: 0,
  })
  for (;;) {
    if (cFcntl()(fd, F_OFD_SETLK, lock) >= 0) return true
    const errno = lastErrno()
    if (errno === EAGAIN || errno === EACCES) return false
    if (errno !== EINTR) throw new SyscallError('fcntl F_OFD_SETLK', errno)
  }
}

/** Bytes of a block device. */
export function blockDeviceSize(fd: number): number {
  const size = new Uint8Array(8)
  ioctl(fd, BLKGETSIZE64, size, 'BLKGETSIZE64')
  return Number(new DataView(size.buffer).getBigUint64(0, true))
}
