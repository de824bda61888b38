/**
 * Gets vCPU threads out of KVM_RUN, whatever the guest does: api.rst KVM_RUN, "immediate_exit" and signals.
 *
 * The caller sets kvm_run.immediate_exit first (so a thread just about to enter returns at once), then every thread
 * but this one gets a signal whose handler does nothing. Which libuv thread sits in KVM_RUN cannot be asked, and
 * the others only see a restarted system call.
 */
import { readdirSync } from 'node:fs'
import { installNoopHandler, SyscallError, tgkill } from '../../kvm-bindings/ffi.ts'

/** Ignored by default and unused by Node; Go's runtime interrupts its threads with it for the same reasons. */
const SIGURG = 23

let installed = false

export function prepareKick(): void {
  if (!installed) installNoopHandler(SIGURG)
  installed = true
}

export function kickThreads(threads: readonly string[] = readdirSync('/proc/self/task')): void {
  for (const name of threads) {
    const tid = Number(name)
    if (tid !== process.pid) signal(tid)
  }
}

function signal(tid: number): void {
  try {
    tgkill(process.pid, tid, SIGURG)
  } catch (error) {
    // The thread ended since the directory was read.
    if (!(error instanceof SyscallError && error.code === 'ESRCH')) throw error
  }
}
