/**
 * Guest RAM: an anonymous file in memory (memfd), so that it can be mapped copy-on-write by a snapshot, handed to
 * another process, and costs nothing until the guest touches it.
 */
import { MAP_NORESERVE, MAP_SHARED, MFD_CLOEXEC, PROT_READ, PROT_WRITE } from '../../kvm-bindings/constants.ts'
import { close, ftruncate, memfdCreate, mmap, munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import { type Gpa, GuestMemory } from './guest-memory.ts'
import { ramLayout } from './memory-map.ts'

export interface RamRegion {
  readonly gpa: Gpa
  readonly size: number
  /** Host virtual address; only KVM's memory slots and FFI calls see it. */
  readonly hva: bigint
}

export interface Ram {
  readonly memory: GuestMemory
  readonly regions: readonly RamRegion[]
  readonly memfd: number
  /** Unmaps. Every view of the memory dies with it: only after vCPUs and devices have stopped. */
  close(): void
}

/** @throws SyscallError when the host has no memory for the mapping. */
export function allocateRam(bytes: number): Ram {
  const memfd = memfdCreate('cloister-ram', MFD_CLOEXEC)
  const mapped: RamRegion[] = []
  const release = () => {
    for (const { hva, size } of mapped.splice(0)) munmap(hva, size)
    close(memfd)
  }
  try {
    ftruncate(memfd, bytes)
    let offset = 0
    for (const { gpa, size } of ramLayout(bytes)) {
      mapped.push({ gpa, size, hva: mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memfd, offset) })
      offset += size
    }
    const memory = new GuestMemory(
      mapped.map(({ gpa, size, hva }) => ({
        gpa,
        size,
        view: (at, length) => new Uint8Array(viewMemory(hva + BigInt(at), length)),
      })),
    )
    let closed = false
    return {
      memory,
      regions: [...mapped],
      memfd,
      close() {
        if (!closed) release()
        closed = true
      },
    }
  } catch (error) {
    release()
    throw error
  }
}
