/** Processes of the host and the memory that is theirs. proc(5) */
import { readFileSync } from 'node:fs'
import { descendantsOf } from '../host/process-status.ts'

export interface ProcessMemory {
  readonly privateBytes: number
  readonly proportionalBytes: number
}

/** A process that has just gone counts nothing. */
export function processMemory(pid: number): ProcessMemory {
  const text = readIfThere(`/proc/${pid}/smaps_rollup`)
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  return { privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'), proportionalBytes: bytes('Pss') }
}

/** Memory that could be given out without swapping, as the kernel estimates it. */
export const availableBytes = (): number =>
  Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024

/** The processes and all below them. */
export const withDescendants = (roots: readonly number[]): number[] =>
  roots.flatMap((root) => [root, ...descendantsOf(root)])

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
