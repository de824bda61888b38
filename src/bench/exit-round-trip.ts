/**
 * One VM exit and back, the smallest piece of any VMM: a real-mode guest writes to a port for ever, a TypeScript
 * handler answers each write. KVM_RUN is called on the main thread, or on libuv's pool with the handler on the main
 * thread, which is how a VM with one vCPU runs here.
 */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../kvm-bindings/constants.ts'
import { mmap, munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'

const MEMORY_SIZE = 0x10000
const CODE = 0x1000
const PORT = 0x10
const AGAIN_OUT_JMP = [0xe6, PORT, 0xeb, 0xfc] // again: out PORT, al; jmp again

export interface ExitGuest {
  readonly vcpu: VcpuFd
  close(): void
}

/** @throws SyscallError where no VM can be made */
export function createExitGuest(): ExitGuest {
  using kvm = KvmSystem.open()
  const vm = kvm.createVm()
  const address = mmap(MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  new Uint8Array(viewMemory(address, MEMORY_SIZE)).set(AGAIN_OUT_JMP, CODE)
  const size = BigInt(MEMORY_SIZE)
  vm.setUserMemoryRegion({ slot: 0, flags: 0, guest_phys_addr: 0n, memory_size: size, userspace_addr: address })
  const vcpu = vm.createVcpu(0)
  const sregs = vcpu.getSregs()
  vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } })
  vcpu.setRegs({ ...vcpu.getRegs(), rip: BigInt(CODE), rflags: 2n })
  const close = () => {
    vcpu.close()
    vm.close()
    munmap(address, MEMORY_SIZE)
  }
  return { vcpu, close }
}

/** As much work as the C handler of bench/exit-roundtrip.c does, with a result that outlives it. */
const device = { sum: 0 }

function onPort(port: number, data: Uint8Array): void {
  device.sum += port + (data[0] as number) + data.length
}

function answer(vcpu: VcpuFd): void {
  const exit = vcpu.exit()
  if (exit.kind !== 'io' || exit.direction !== 'out') throw new Error(`unexpected exit: ${exit.kind}`)
  onPort(exit.port, exit.data)
}

const nanoseconds = (since: bigint, exits: number) => Number(process.hrtime.bigint() - since) / exits

/** @returns nanoseconds an exit. */
export function timeExitsHere(vcpu: VcpuFd, exits: number): number {
  const start = process.hrtime.bigint()
  for (let done = 0; done < exits; done++) {
    vcpu.run()
    answer(vcpu)
  }
  return nanoseconds(start, exits)
}

/** @returns nanoseconds an exit; the pool is best with one thread, between several the vCPU hops. */
export const timeExitsOnPool = (vcpu: VcpuFd, exits: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const start = process.hrtime.bigint()
    let left = exits
    const enter = () =>
      vcpu.runAsync((_, error) => {
        if (error) return reject(error)
        answer(vcpu)
        left--
        if (left > 0) enter()
        else resolve(nanoseconds(start, exits))
      })
    enter()
  })
