/** A guest of a few bytes of real-mode code at 0x1000, in 64 KiB of memory, for tests of the bindings alone. */
import { readdirSync } from 'node:fs'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../kvm-bindings/constants.ts'
import { mmap, munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'

export const MEMORY_SIZE = 0x10000
const CODE = 0x1000

export interface RealModeGuest {
  readonly vm: VmFd
  readonly vcpu: VcpuFd
  readonly memory: Uint8Array
  close(): void
}

export interface RealModeOptions {
  /** KVM_MEM_* of the memory slot. */
  readonly flags?: number
  /** Before the vCPU is made. */
  readonly prepare?: (vm: VmFd) => void
}

export function realModeGuest(code: readonly number[], { flags = 0, prepare }: RealModeOptions = {}): RealModeGuest {
  using kvm = KvmSystem.open()
  const vm = kvm.createVm()
  const address = mmap(MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  const memory = new Uint8Array(viewMemory(address, MEMORY_SIZE))
  memory.set(code, CODE)
  const size = BigInt(MEMORY_SIZE)
  vm.setUserMemoryRegion({ slot: 0, flags, guest_phys_addr: 0n, memory_size: size, userspace_addr: address })
  prepare?.(vm)
  const vcpu = vm.createVcpu(0)
  const sregs = vcpu.getSregs()
  vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } })
  vcpu.setRegs({ ...vcpu.getRegs(), rip: BigInt(CODE), rflags: 2n })
  return {
    vm,
    vcpu,
    memory,
    close() {
      vcpu.close()
      vm.close()
      munmap(address, MEMORY_SIZE)
    },
  }
}

export const openFds = (): number => readdirSync('/proc/self/fd').length
