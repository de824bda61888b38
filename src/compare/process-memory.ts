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

/**
 * Of all processes below these, themselves included. The process that measures is a Node as ours are: pages that it shares
 * with them pass from its share to theirs as they grow in number. Its share is counted in, so that a further one's is
 * its own.
 */
export function memoryOf(roots: readonly number[]): ProcessMemory & { readonly processes: number } {
  const own = processMemory(process.pid)
  const counts = withDescendants(roots).map(processMemory)
  const sum = (pick: (count: ProcessMemory) => number) => counts.reduce((total, count) => total + pick(count), 0)
  return {
    privateBytes: sum(({ privateBytes }) => privateBytes),
    proportionalBytes: sum(({ proportionalBytes }) => proportionalBytes) + own.proportionalBytes - own.privateBytes,
    processes: counts.length,
  }
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
