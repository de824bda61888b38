/** Puts boot modules (the root file tree) as high in low RAM as they fit, out of the kernel's way. */

import type { BootModule } from '../boot/pvh.ts'
import { EXIT, UsageError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { MIB, PAGE_SIZE } from '../memory/memory-map.ts'

export interface BootModuleSource {
  readonly name: string
  readonly size: number
  /** Fills a view of guest memory of exactly `size` bytes, zero and beginning on a page. */
  write(into: Uint8Array): void
}

/** @param kernelEnd first free address after the kernel image */
export function placeModules(
  memory: GuestMemory,
  sources: readonly BootModuleSource[],
  kernelEnd: number,
): BootModule[] {
  const [low] = memory.regions
  let top = low!.size
  return sources.map(({ name, size, write }) => {
    const gpa = Math.floor((top - size) / PAGE_SIZE) * PAGE_SIZE
    if (gpa < kernelEnd) {
      throw new UsageError(
        `Cannot boot: ${name} has ${Math.ceil(size / MIB)} MiB and does not fit into ${Math.floor(memory.size / MIB)} MiB of guest memory.`,
        { hint: 'Give the guest more with --memory.', exitCode: EXIT.outOfMemory },
      )
    }
    write(memory.bytes(gpa, size))
    top = gpa
    return { gpa, size }
  })
}
