/**
 * The guest's kvm-clock: it runs on while the guest stands still, so that the time of day stays right, and goes on from
 * where it was in a guest that is restored. api.rst KVM_SET_CLOCK, KVM_KVMCLOCK_CTRL
 */
import { KVM_CLOCK_REALTIME } from '../../kvm-bindings/constants.ts'
import { SyscallError } from '../../kvm-bindings/ffi.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'

export interface ClockState {
  /** Nanoseconds. */
  readonly clock: bigint
  /** The host's time of day at that moment, in nanoseconds since 1970; a KVM before Linux 5.16 does not say. */
  readonly realtime?: bigint
}

/** Before a vCPU that stood still runs again: its guest's watchdogs are told, or they would call it a lockup. */
export function tellOfPause(vcpu: VcpuFd): void {
  try {
    vcpu.kvmclockCtrl()
  } catch (error) {
    // No kvm-clock in use (EINVAL), or none here (ENOTTY): then nobody reads the word that would be set.
    if (!(error instanceof SyscallError && (error.code === 'EINVAL' || error.code === 'ENOTTY'))) throw error
  }
}

/** While no vCPU runs. */
export function saveClock(vm: VmFd): ClockState {
  const { clock, flags, realtime } = vm.getClock()
  return { clock, ...((flags & KVM_CLOCK_REALTIME) !== 0 && { realtime }) }
}

/**
 * After the TSC of every vCPU: the clock is counted from it.
 * @param elapsed whether the time since it was saved has passed for the guest too
 */
export function restoreClock(vm: VmFd, { clock, realtime }: ClockState, elapsed: boolean): void {
  if (elapsed && realtime !== undefined) vm.setClock({ clock, realtime, flags: KVM_CLOCK_REALTIME })
  else vm.setClock({ clock })
}
