/** The parts of a machine that KVM makes: the VM with its memory and interrupt controllers, then its vCPUs. */
import { CAP } from '../../kvm-bindings/capabilities.ts'
import { CoalescedMmioRing } from '../../kvm-bindings/coalesced-mmio.ts'
import { KVM_PIT_SPEAKER_DUMMY } from '../../kvm-bindings/constants.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import { HostError } from '../errors.ts'
import type { MemoryImage } from '../memory/memory-image.ts'
import { IDENTITY_MAP_GPA, PAGE_SIZE, TSS_GPA } from '../memory/memory-map.ts'
import { allocateRam, type Ram } from '../memory/ram.ts'
import { createRegisterPages, type RegisterPages } from './register-pages.ts'

export interface VmConfig {
  readonly memoryBytes: number
  /** What is in it; zeros unless said. */
  readonly memory: MemoryImage | undefined
  readonly pit: boolean
  /** Of how many devices the guest reads the registers from pages, where KVM can. */
  readonly pages: number
  readonly onRam: ((ram: Ram) => void) | undefined
}

export interface NewVm {
  readonly kvm: KvmSystem
  readonly vm: VmFd
  readonly ram: Ram
  readonly registerPages: RegisterPages | undefined
}

/** How to undo what was made so far, in order. */
export type Releases = (() => void)[]

/**
 * Memory first: a change of the memory slots waits for every reader of the VM's tables (SRCU), and once a device has
 * been registered it waits for that one's grace period too, 7 ms instead of 0.2 on Linux 6.18. Interrupt controllers
 * before any vCPU, or that vCPU gets no local APIC.
 */
export function createVm({ memoryBytes, memory, pit, pages, onRam }: VmConfig, releases: Releases): NewVm {
  const kvm = orHostError('open /dev/kvm', () => KvmSystem.open())
  releases.push(() => kvm.close())
  const vm = orHostError('KVM_CREATE_VM', () => kvm.createVm())
  releases.push(() => vm.close())
  const ram = allocateRam(memoryBytes, memory)
  releases.push(() => ram.close())
  onRam?.(ram)
  for (const [slot, { gpa, size, hva }] of ram.regions.entries()) {
    vm.setUserMemoryRegion({
      slot,
      flags: 0,
      guest_phys_addr: BigInt(gpa),
      memory_size: BigInt(size),
      userspace_addr: hva,
    })
  }
  const paged = pages > 0 && kvm.checkExtension(CAP.KVM_CAP_READONLY_MEM) > 0
  const registerPages = paged ? createRegisterPages(vm, ram.regions.length, pages) : undefined
  if (registerPages) releases.push(() => registerPages.close())
  vm.setTssAddr(TSS_GPA)
  vm.setIdentityMapAddr(IDENTITY_MAP_GPA)
  vm.createIrqchip()
  // With port 0x61, by which kernels gate and read the channel that they calibrate on.
  if (pit) vm.createPit2(KVM_PIT_SPEAKER_DUMMY)
  return { kvm, vm, ram, registerPages }
}

/** All but the first wait for INIT and a start-up interrupt: KVM creates them so. */
export function createVcpus(vm: VmFd, count: number, releases: Releases): VcpuFd[] {
  return Array.from({ length: count }, (_, id) => {
    const vcpu = orHostError(`KVM_CREATE_VCPU ${id}`, () => vm.createVcpu(id))
    releases.push(() => vcpu.close())
    return vcpu
  })
}

/** The ring lies in every vCPU's mapping, as many pages into it as the capability says (api.rst). */
export function deferredWrites(kvm: KvmSystem, vcpu: VcpuFd): CoalescedMmioRing {
  const page = kvm.checkExtension(CAP.KVM_CAP_COALESCED_MMIO)
  return new CoalescedMmioRing(vcpu.runPage.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))
}

/** No device, no permission, a hypervisor of others that holds the processor (EBUSY), no memory: the host's to mend. */
function orHostError<T>(what: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new HostError(`Cannot create a virtual machine: ${what} gave ${code ?? cause}.`, {
      hint: 'Run `cloister doctor` to see what this host lacks, or use --isolation container.',
      cause,
    })
  }
}
