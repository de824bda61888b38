/** The kernel command line in guest memory, ended by a NUL: every boot protocol says where it is, none how long. */
import { UsageError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { COMMAND_LINE_GPA, COMMAND_LINE_MAX } from '../memory/memory-map.ts'

/** @param kernelMax what the kernel takes of it, without the NUL */
export function writeCommandLine(memory: GuestMemory, commandLine: string, kernelMax = COMMAND_LINE_MAX - 1): void {
  const text = new TextEncoder().encode(`${commandLine}\0`)
  const max = Math.min(COMMAND_LINE_MAX, kernelMax + 1)
  if (text.length > max) {
    throw new UsageError(`Cannot boot: the kernel command line has ${text.length} bytes, ${max} fit.`, {
      hint: 'Shorten --append.',
    })
  }
  memory.bytes(COMMAND_LINE_GPA, text.length).set(text)
}
