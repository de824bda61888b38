import test from 'ava'
import { SyscallError } from '../../kvm-bindings/ffi.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { tellOfPause } from '../../src/machine/clock.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { realModeGuest } from '../kvm-bindings/real-mode-guest.ts'

/** Linux Documentation/virt/kvm/x86/msr.rst: MSR_KVM_SYSTEM_TIME_NEW, struct pvclock_vcpu_time_info. */
const SYSTEM_TIME = 0x4b56_4d01
const ENABLED = 1n
const FLAGS_OFFSET = 29
const GUEST_STOPPED = 1 << 1
const PAGE = 0x8000

const OUT_FOREVER = [0xe6, 0x80, 0xeb, 0xfc] // out 0x80, al; jmp to it

kvmTestSerial('a guest with kvm-clock finds in its page that it stood still', (t) => {
  const guest = realModeGuest(OUT_FOREVER, { prepare: (vm) => vm.createIrqchip() })
  try {
    t.is(guest.vcpu.setMsrs([{ index: SYSTEM_TIME, data: BigInt(PAGE) | ENABLED }]), 1)
    guest.vcpu.run()
    t.is(guest.memory[PAGE + FLAGS_OFFSET]! & GUEST_STOPPED, 0)
    tellOfPause(guest.vcpu)
    guest.vcpu.run()
    t.not(guest.memory[PAGE + FLAGS_OFFSET]! & GUEST_STOPPED, 0)
  } finally {
    guest.close()
  }
})

kvmTestSerial('a guest without kvm-clock is told nothing, and that is no error', (t) => {
  const guest = realModeGuest(OUT_FOREVER, { prepare: (vm) => vm.createIrqchip() })
  try {
    t.notThrows(() => tellOfPause(guest.vcpu))
  } finally {
    guest.close()
  }
})

test('any other failure is one', (t) => {
  const EIO = 5
  const broken = {
    kvmclockCtrl() {
      throw new SyscallError('ioctl KVM_KVMCLOCK_CTRL', EIO)
    },
  } as unknown as VcpuFd
  t.throws(() => tellOfPause(broken), { message: /EIO/ })
})
