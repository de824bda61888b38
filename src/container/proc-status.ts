/** What /proc/PID says about a process of a container. proc_pid_status(5) */
import { readFileSync } from 'node:fs'

export interface ProcStatus {
  readonly name: string
  /** One letter: Z for a zombie. */
  readonly state: string
  readonly threads: number
  /** The pid in each pid namespace from ours to its own. */
  readonly nsPids: readonly number[]
}

export function parseStatus(text: string): ProcStatus {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return {
    name: fields.get('Name') ?? '',
    state: fields.get('State')?.[0] ?? '',
    threads: Number(fields.get('Threads') ?? 0),
    nsPids: (fields.get('NSpid') ?? '').split(/\s+/).filter(Boolean).map(Number),
  }
}

/** Undefined when there is no such process. */
export function readStatus(pid: number): ProcStatus | undefined {
  try {
    return parseStatus(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return undefined
  }
}

/** Gone, or waiting only to be collected: a first thread may be a zombie while others of its process still end. */
export function hasEnded(pid: number): boolean {
  const status = readStatus(pid)
  return status === undefined || ((status.state === 'Z' || status.state === 'X') && status.threads <= 1)
}

/** Children of a process with one thread. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** The hard limit of open descriptors in /proc/self/limits. proc_pid_limits(5) */
export function parseOpenFilesMax(limits: string): number {
  const hard = /^Max open files +\S+ +(\S+)/m.exec(limits)?.[1]
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard ?? 1024)
}
