/** Which pool thread sits in a call is not known from outside: tests signal all threads of the process. */
import { readdirSync } from 'node:fs'
import { SyscallError, tgkill } from '../../kvm-bindings/ffi.ts'

export function signalAllThreads(signal: number): void {
  for (const tid of readdirSync('/proc/self/task')) {
    try {
      tgkill(process.pid, Number(tid), signal)
    } catch (error) {
      // A thread may have ended since the directory was read.
      if (!(error instanceof SyscallError && error.code === 'ESRCH')) throw error
    }
  }
}
