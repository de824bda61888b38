/** What disks need of files besides reading and writing: durability, holes, locks, and the size of block devices. */
import {
  BLKGETSIZE64,
  EACCES,
  EAGAIN,
  EINTR,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
} from './constants.ts'
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
 * Bytes by which QEMU's VMs tell each other what they do with an image, each held shared (block/file-posix.c there):
 * that one writes it, and that one bears no other writer.
 */
const QEMU_WRITES = 101
const QEMU_BEARS_NO_WRITER = 201

/**
 * Locks the file for as long as this open of it lasts, or says that others are in the way, QEMU among them: any number
 * may hold it `shared`, one alone `exclusive`. F_OFD_SETLK, fcntl(2)
 */
export function tryLockFile(fd: number, kind: 'shared' | 'exclusive'): boolean {
  // No end: all of it.
  if (kind === 'exclusive') return lockRange(fd, F_OFD_SETLK, F_WRLCK, 0, 0)
  return (
    lockRange(fd, F_OFD_SETLK, F_RDLCK, 0, QEMU_WRITES) &&
    lockRange(fd, F_OFD_SETLK, F_RDLCK, QEMU_BEARS_NO_WRITER, 1) &&
    lockRange(fd, F_OFD_GETLK, F_WRLCK, QEMU_WRITES, 1)
  )
}

/** Takes a lock, or asks whether it could be taken. */
function lockRange(fd: number, command: number, type: number, start: number, length: number): boolean {
  const lock = flock.encode({
    l_type: type,
    l_whence: 0,
    l_start: BigInt(start),
    l_len: BigInt(length),
    l_pid: 0,
  })
  for (;;) {
    // F_OFD_GETLK puts the lock in the way in its place.
    if (cFcntl()(fd, command, lock) >= 0) return command === F_OFD_SETLK || flock.decode(lock).l_type === F_UNLCK
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
