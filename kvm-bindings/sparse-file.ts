/** Files with holes, and bytes between them and native memory. lseek(2), pwrite(2), pread(2) */
import { ENXIO, SEEK_DATA, SEEK_HOLE } from './constants.ts'
import { cFunction, lastErrno, retrying } from './ffi.ts'
import { SyscallError } from './syscall-error.ts'

const cLseek = cFunction('lseek', 'int64', ['int', 'int64', 'int'])
const cPwrite = cFunction('pwrite', 'int64', ['int', 'uintptr', 'size_t', 'int64'])

/** The first byte from `offset` on that is in no hole; undefined when only a hole follows. */
export const nextData = (fd: number, offset: number): number | undefined => seek(fd, offset, SEEK_DATA)

/** The first byte from `offset` on that is in a hole, the end of the file at the latest. */
export const nextHole = (fd: number, offset: number): number | undefined => seek(fd, offset, SEEK_HOLE)

function seek(fd: number, offset: number, whence: number): number | undefined {
  const found = Number(cLseek()(fd, offset, whence))
  if (found >= 0) return found
  const errno = lastErrno()
  if (errno === ENXIO) return undefined
  throw new SyscallError('lseek', errno)
}

/** Writes all of it from memory that the caller keeps mapped. */
export function pwriteFrom(fd: number, address: bigint, length: number, offset: number): void {
  for (let done = 0; done < length; ) {
    done += retrying(() => Number(cPwrite()(fd, address + BigInt(done), length - done, offset + done)), 'pwrite')
  }
}
