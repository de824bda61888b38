/** What this process, the VMM of one guest, uses of the host; the guest's memory is mapped here and counts. proc(5) */
import { readFileSync } from 'node:fs'

export interface VmmUsage {
  readonly cpuTimeNs: number
  readonly memoryBytes: number
  /** Threads. */
  readonly tasks: number
}

export function vmmUsage(): VmmUsage {
  const { user, system } = process.cpuUsage()
  return { cpuTimeNs: (user + system) * 1000, memoryBytes: privateBytes(), tasks: threads() }
}

/** Pages that no other process has mapped. */
function privateBytes(): number {
  const rollup = readFileSync('/proc/self/smaps_rollup', 'latin1')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0)
  return 1024 * (kib('Private_Clean') + kib('Private_Dirty'))
}

const threads = () => Number(/^Threads:\s+(\d+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0)
