/** Puts boot modules (the root file tree) as high in low RAM as they fit, out of the kernel's way. */

import type { BootModule } from '../boot/pvh.ts'
import { UsageError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { MIB, PAGE_SIZE, ramLayout } from '../memory/memory-map.ts'

export interface BootModuleSource {
  readonly name: string
  readonly size: number
  /** The largest thing in it, to be named when the module does not fit. */
  readonly largest?: { readonly name: string; readonly size: number }
  /** Fills a view of guest memory of exactly `size` bytes, zero and beginning on a page. */
  write(into: Uint8Array): void
}

/** What a small program and its kernel use beside the modules, when advice is given. */
const WORKING_ROOM = 32 * MIB
const MEMORY_STEP = 64 * MIB

/**
 * @param kernelEnd first free address after the kernel image
 * @param limit the kernel takes none that reaches beyond it
 * @throws UsageError when they do not fit, with the amount of memory in which they would.
 */
export function placeModules(
  memory: GuestMemory,
  sources: readonly BootModuleSource[],
  kernelEnd: number,
  limit = memory.regions[0]!.size,
): BootModule[] {
  let top = limit
  return sources.map((source) => {
    const { size, write } = source
    const gpa = Math.floor((top - size) / PAGE_SIZE) * PAGE_SIZE
    if (gpa < kernelEnd) {
      const total = sources.reduce((sum, each) => sum + each.size, 0)
      throw doesNotFit(source, memory.size, kernelEnd + total)
    }
    write(memory.bytes(gpa, size))
    top = gpa
    return { gpa, size }
  })
}

const mib = (bytes: number) => `${Math.ceil(bytes / MIB)} MiB`

function doesNotFit({ name, size, largest }: BootModuleSource, memorySize: number, inUse: number): UsageError {
  const wanted = Math.ceil((inUse + WORKING_ROOM) / MEMORY_STEP) * MEMORY_STEP
  const [low] = ramLayout(inUse)
  const remedy =
    low!.size >= inUse
      ? `Give the guest more with --memory ${wanted / MIB}M`
      : `No guest holds that much, ${mib(low!.size)} is the most; use --isolation container`
  const culprit = largest ? `, or leave out ${largest.name}, ${mib(largest.size)} of it` : ''
  return new UsageError(
    `Cannot boot: ${name} has ${mib(size)} and does not fit into ${Math.floor(memorySize / MIB)} MiB of guest memory.`,
    { hint: `${remedy}${culprit}.` },
  )
}
