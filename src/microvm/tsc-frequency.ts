/** How fast the time stamp counter of a guest runs here. KVM says so of a vCPU only: api.rst KVM_GET_TSC_KHZ. */
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import { HostError } from '../errors.ts'

let known: number | undefined

/** A VM is made to ask it, in a millisecond, once. @throws HostError */
export function tscKhzOfGuests(): number {
  try {
    known ??= ask()
    return known
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new HostError(`Cannot ask KVM how fast the time stamp counter runs: it gave ${code ?? cause}.`, {
      hint: 'Run `cloister doctor` to see what this host lacks.',
      cause,
    })
  }
}

function ask(): number {
  const kvm = KvmSystem.open()
  try {
    const vm = kvm.createVm()
    try {
      const vcpu = vm.createVcpu(0)
      try {
        return vcpu.getTscKhz()
      } finally {
        vcpu.close()
      }
    } finally {
      vm.close()
    }
  } finally {
    kvm.close()
  }
}
