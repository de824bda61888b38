/** One virtual machine: its memory slots, interrupt controllers, clock and event descriptors; makes vCPUs. */
import { CAP } from './capabilities.ts'
import { KVM_IOEVENTFD_FLAG_DATAMATCH, MAP_SHARED, PROT_READ, PROT_WRITE } from './constants.ts'
import { addressOf, close, ioctl, mmap, munmap } from './ffi.ts'
import * as request from './requests.ts'
import { coalescedMmioZone } from './structs/coalesced-mmio.ts'
import { ioeventfd, irqfd, irqLevel, msi } from './structs/events.ts'
import { irqchip, type PitState2, pitConfig, pitState2 } from './structs/irqchip.ts'
import { dirtyLog, type MemoryRegion, memoryRegion } from './structs/memory-region.ts'
import { type ClockData, clockData, enableCap } from './structs/vm-state.ts'
import { VcpuFd, XSAVE_SIZE } from './vcpu-fd.ts'

export interface IrqfdOptions {
  /** An eventfd: each write to it raises the interrupt, without a thread of ours. */
  readonly fd: number
  readonly gsi: number
  readonly flags?: number
}

export interface IoeventfdOptions {
  /** Guest-physical address, or a port with KVM_IOEVENTFD_FLAG_PIO. */
  readonly addr: bigint
  /** Bytes of the guest's write that count: 1, 2, 4, 8, or 0 for any. */
  readonly len: number
  /** An eventfd: the guest's write adds one to it and does not leave the kernel. */
  readonly fd: number
  /** Only writes of this value count; sets KVM_IOEVENTFD_FLAG_DATAMATCH. */
  readonly datamatch?: bigint
  readonly flags?: number
}

export interface Msi {
  readonly address: bigint
  readonly data: number
}

const PAGE_SIZE = 4096n
const BITS_PER_WORD = 64n

export class VmFd {
  readonly fd: number
  readonly #vcpuMmapSize: number
  #open = true

  constructor(fd: number, vcpuMmapSize: number) {
    this.fd = fd
    this.#vcpuMmapSize = vcpuMmapSize
  }

  /** As KvmSystem.checkExtension, for this VM: some answers depend on it. */
  checkExtension(capability: number): number {
    return this.#request(request.KVM_CHECK_EXTENSION, capability)
  }

  enableCap(capability: number, ...args: bigint[]): void {
    this.#request(request.KVM_ENABLE_CAP, enableCap.encode({ cap: capability, flags: 0, args }))
  }

  /** Three pages that VMX needs below 4 GiB and outside every slot; before the first vCPU. */
  setTssAddr(gpa: number): void {
    this.#request(request.KVM_SET_TSS_ADDR, gpa)
  }

  /** One page more for the same purpose; before the first vCPU. */
  setIdentityMapAddr(gpa: number): void {
    this.#request(request.KVM_SET_IDENTITY_MAP_ADDR, new Uint8Array(new BigUint64Array([BigInt(gpa)]).buffer))
  }

  /** Adds, moves or changes a slot; size 0 deletes it. The host memory must stay mapped while the slot is there. */
  setUserMemoryRegion(region: MemoryRegion): void {
    this.#request(request.KVM_SET_USER_MEMORY_REGION, memoryRegion.encode(region))
  }

  /** The pages written since the last call, one bit each, for a slot with KVM_MEM_LOG_DIRTY_PAGES. */
  getDirtyLog(slot: number, memorySize: bigint): Uint8Array {
    const words = (memorySize / PAGE_SIZE + BITS_PER_WORD - 1n) / BITS_PER_WORD
    const bitmap = new Uint8Array(Number(words) * 8)
    this.#request(request.KVM_GET_DIRTY_LOG, dirtyLog.encode({ slot, dirty_bitmap: addressOf(bitmap) }))
    return bitmap
  }

  /** PICs, I/O APIC and a local APIC per vCPU in the kernel; a vCPU that exists already gets none. */
  createIrqchip(): void {
    this.#request(request.KVM_CREATE_IRQCHIP, 0)
  }

  createPit2(flags = 0): void {
    this.#request(request.KVM_CREATE_PIT2, pitConfig.encode({ flags }))
  }

  /** Level 1 asserts, 0 deasserts. */
  irqLine(gsi: number, level: 0 | 1): void {
    this.#request(request.KVM_IRQ_LINE, irqLevel.encode({ irq: gsi, level }))
  }

  /** Returns whether the interrupt was delivered; false when the guest blocks it. */
  signalMsi({ address, data }: Msi): boolean {
    const payload = msi.encode({
      address_lo: Number(address & 0xffff_ffffn),
      address_hi: Number(address >> 32n),
      data,
      flags: 0,
      devid: 0,
    })
    return this.#request(request.KVM_SIGNAL_MSI, payload) > 0
  }

  irqfd({ fd, gsi, flags = 0 }: IrqfdOptions): void {
    this.#request(request.KVM_IRQFD, irqfd.encode({ fd, gsi, flags, resamplefd: 0 }))
  }

  ioeventfd({ addr, len, fd, datamatch, flags = 0 }: IoeventfdOptions): void {
    const match = datamatch === undefined ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH
    this.#request(
      request.KVM_IOEVENTFD,
      ioeventfd.encode({ addr, len, fd, datamatch: datamatch ?? 0n, flags: flags | match }),
    )
  }

  /**
   * Guest writes to these bytes wait in a ring until user space looks (CoalescedMmioRing). Only for registers whose
   * effect nobody needs to see before the guest's next exit.
   */
  registerCoalescedMmio(gpa: bigint, size: number): void {
    this.#request(request.KVM_REGISTER_COALESCED_MMIO, coalescedMmioZone.encode({ addr: gpa, size, pio: 0 }))
  }

  /** The 512 bytes of `kvm_irqchip.chip` for one of KVM_IRQCHIP_*: keep them as they are, or read them with the layout. */
  getIrqchip(chipId: number): Uint8Array {
    const payload = irqchip.encode({ chip_id: chipId, chip: {} })
    this.#request(request.KVM_GET_IRQCHIP, payload)
    return payload.slice(irqchip.offsetOf.chip)
  }

  setIrqchip(chipId: number, chip: Uint8Array): void {
    this.#request(request.KVM_SET_IRQCHIP, irqchip.encode({ chip_id: chipId, chip: { dummy: chip } }))
  }

  getPit2(): PitState2 {
    const payload = new Uint8Array(pitState2.size)
    this.#request(request.KVM_GET_PIT2, payload)
    return pitState2.decode(payload)
  }

  setPit2(state: PitState2): void {
    this.#request(request.KVM_SET_PIT2, pitState2.encode(state))
  }

  /** Nanoseconds on the guest's kvm-clock. */
  getClock(): ClockData {
    const payload = new Uint8Array(clockData.size)
    this.#request(request.KVM_GET_CLOCK, payload)
    return clockData.decode(payload)
  }

  /** `flags` may hold KVM_CLOCK_REALTIME, to let the clock run on over the time since `realtime`, and nothing else. */
  setClock({ clock, flags = 0, realtime = 0n }: { clock: bigint; flags?: number; realtime?: bigint }): void {
    this.#request(request.KVM_SET_CLOCK, clockData.encode({ clock, flags, realtime, host_tsc: 0n }))
  }

  /** The vCPU may outlive this object. */
  createVcpu(id: number): VcpuFd {
    const xsaveSize = Math.max(this.checkExtension(CAP.KVM_CAP_XSAVE2), XSAVE_SIZE)
    const fd = this.#request(request.KVM_CREATE_VCPU, id)
    const runPageSize = this.#vcpuMmapSize
    let runPageAddress: bigint | undefined
    try {
      runPageAddress = mmap(runPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
      return VcpuFd.own({ fd, id, runPageAddress, runPageSize, xsaveSize })
    } catch (error) {
      if (runPageAddress !== undefined) munmap(runPageAddress, runPageSize)
      close(fd)
      throw error
    }
  }

  /** Idempotent. The kernel keeps the VM until the last vCPU, irqfd and mapping of it is gone as well. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    close(this.fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #request({ number, name }: request.Request, arg: Uint8Array | number): number {
    return ioctl(this.fd, number, arg, name)
  }
}
