/** /dev/kvm itself: what this host's KVM offers, and the door to a new VM. */
import { E2BIG, O_RDWR } from './constants.ts'
import { close, ioctl, open, SyscallError } from './ffi.ts'
import * as request from './requests.ts'
import { type CpuidEntry, cpuid, KVM_MAX_CPUID_ENTRIES } from './structs/cpuid.ts'
import { msrList } from './structs/msr.ts'
import { VmFd } from './vm-fd.ts'

/** The one version of the API there is; a host that says another is to be refused (api.rst KVM_GET_API_VERSION). */
export const KVM_API_VERSION = 12

export class KvmSystem {
  readonly fd: number
  #open = true

  private constructor(fd: number) {
    this.fd = fd
  }

  /** @throws SyscallError: ENOENT where there is no KVM, EACCES without permission. */
  static open(path = '/dev/kvm'): KvmSystem {
    return new KvmSystem(open(path, O_RDWR))
  }

  apiVersion(): number {
    return ioctl(this.fd, request.KVM_GET_API_VERSION.number, 0, request.KVM_GET_API_VERSION.name)
  }

  /** 0 when the capability is absent, else 1 or a number of its own; see capabilities.ts. */
  checkExtension(capability: number): number {
    return ioctl(this.fd, request.KVM_CHECK_EXTENSION.number, capability, request.KVM_CHECK_EXTENSION.name)
  }

  /** What a guest's cpuid may show on this host. */
  supportedCpuid(): CpuidEntry[] {
    const { number, name } = request.KVM_GET_SUPPORTED_CPUID
    const buffer = cpuid.allocate(KVM_MAX_CPUID_ENTRIES)
    ioctl(this.fd, number, buffer, name)
    return cpuid.decode(buffer)
  }

  /** The MSRs that KVM_GET_MSRS can save and KVM_SET_MSRS restore. */
  msrIndexList(): number[] {
    const { number, name } = request.KVM_GET_MSR_INDEX_LIST
    const probe = msrList.allocate(0)
    try {
      // Fails with E2BIG, having written how many there are.
      ioctl(this.fd, number, probe, name)
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === E2BIG)) throw error
    }
    const buffer = msrList.allocate(msrList.count(probe))
    ioctl(this.fd, number, buffer, name)
    return msrList.decode(buffer)
  }

  /** Bytes of a vCPU's kvm_run mapping: the page itself, the port I/O page and the coalesced MMIO ring. */
  vcpuMmapSize(): number {
    return ioctl(this.fd, request.KVM_GET_VCPU_MMAP_SIZE.number, 0, request.KVM_GET_VCPU_MMAP_SIZE.name)
  }

  /** The VM may outlive this object. */
  createVm(): VmFd {
    const vcpuMmapSize = this.vcpuMmapSize()
    return new VmFd(ioctl(this.fd, request.KVM_CREATE_VM.number, 0, request.KVM_CREATE_VM.name), vcpuMmapSize)
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    close(this.fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
