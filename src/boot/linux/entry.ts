/** How a kernel is entered by Linux's 64-bit boot protocol, be it from a bzImage or from a vmlinux. */
import { UsageError } from '../../errors.ts'
import type { Gpa, GuestMemory } from '../../memory/guest-memory.ts'
import { longModeEntryState } from './long-mode.ts'
import { type LinuxBoot, writeZeroPage } from './zero-page.ts'

export interface LinuxKernel extends Pick<LinuxBoot, 'header' | 'commandLineMax'> {
  /** For messages. */
  readonly path: string
  readonly entry: Gpa
}

export interface LinuxFacts extends Pick<LinuxBoot, 'commandLine' | 'rsdp'> {
  /** One at most: an initial RAM disk. */
  readonly modules: readonly { readonly gpa: Gpa; readonly size: number }[]
}

/** Writes boot_params, GDT and page tables. */
export function linuxEntry(memory: GuestMemory, kernel: LinuxKernel, { modules, ...facts }: LinuxFacts) {
  const [initrd] = modules
  if (modules.length > 1) {
    throw new UsageError(`Cannot boot ${kernel.path}: it takes one initial RAM disk, and ${modules.length} are given.`)
  }
  const params = writeZeroPage(memory, { ...kernel, ...facts, ...(initrd && { initrd }) })
  return longModeEntryState(memory, kernel.entry, params)
}
