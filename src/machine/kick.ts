/**
 * Gets vCPU threads out of KVM_RUN, whatever the guest does: api.rst KVM_RUN, "immediate_exit" and signals.
 *
 * The caller sets kvm_run.immediate_exit first (so a thread just about to enter returns at once), then every thread
 * but this one gets a signal whose handler does nothing. Which libuv thread sits in KVM_RUN cannot be asked, and
 * the others only see a restarted system call.
 */
import { readdirSync } from 'node:fs'
import { installNoopHandler, tgkill } from '../../kvm-bindings/ffi.ts'

/** Ignored by default and unused by Node; Go's runtime interrupts its threads with it for the same reasons. */
const SIGURG = 23

let installed = false

export function prepareKick(): void {
  if (!installed) installNoopHandler(SIGURG)
  installed = true
}

export function kickThreads(): void {
  for (const name of readdirSync('/proc/self/task')) {
    const tid = Number(name)
    if (tid !== process.pid) tgkill(process.pid, tid, SIGURG)
  }
}
