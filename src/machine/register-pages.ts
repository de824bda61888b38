/**
 * The pages that a guest reads in place of its devices' registers: one read-only memory slot over all windows. Reads are
 * then no exits at all; writes are, and reach ioeventfds and coalesced zones as before. api.rst KVM_MEM_READONLY
 */
import { KVM_MEM_READONLY, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../kvm-bindings/constants.ts'
import { close, ftruncate, memfdCreate, mmap, munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import { VIRTIO_WINDOW_SIZE, VIRTIO_WINDOWS_GPA } from '../memory/memory-map.ts'

export interface RegisterPages {
  /** Of the device in that slot. */
  page(slot: number): Uint8Array
  /** Only after the VM is gone, and every device with it. */
  close(): void
}

/** Before devices are registered with KVM: a change of the memory slots is slow afterwards. */
export function createRegisterPages(vm: VmFd, memorySlot: number, count: number): RegisterPages {
  const size = count * VIRTIO_WINDOW_SIZE
  const memfd = memfdCreate('cloister-registers', 0)
  try {
    ftruncate(memfd, size)
    const address = mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0)
    const unmap = () => munmap(address, size)
    try {
      vm.setUserMemoryRegion({
        slot: memorySlot,
        flags: KVM_MEM_READONLY,
        guest_phys_addr: BigInt(VIRTIO_WINDOWS_GPA),
        memory_size: BigInt(size),
        userspace_addr: address,
      })
      const bytes = new Uint8Array(viewMemory(address, size))
      return {
        page: (slot) => bytes.subarray(slot * VIRTIO_WINDOW_SIZE, (slot + 1) * VIRTIO_WINDOW_SIZE),
        close: unmap,
      }
    } catch (error) {
      unmap()
      throw error
    }
  } finally {
    close(memfd)
  }
}
