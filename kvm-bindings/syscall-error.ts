/** A system call that failed: which one, and the errno by number and by name. */
import { getSystemErrorName } from 'node:util'

export class SyscallError extends Error {
  override readonly name = 'SyscallError'
  /** The call and its object: `open /dev/kvm`, `ioctl KVM_CREATE_VM`. */
  readonly syscall: string
  readonly errno: number
  /** The errno's name: `EACCES`. */
  readonly code: string

  constructor(syscall: string, errno: number) {
    const code = errnoName(errno)
    super(`${syscall} gave ${code}`)
    this.syscall = syscall
    this.errno = errno
    this.code = code
  }
}

const errnoName = (errno: number): string => (errno > 0 ? getSystemErrorName(-errno) : `errno ${errno}`)
