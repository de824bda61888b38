/** What /proc/PID says about a process: what it is, what holds it back. proc_pid_status(5) */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessStatus {
  readonly name: string
  /** One letter: Z for a zombie. */
  readonly state: string
  readonly threads: number
  /** The pid in each pid namespace from ours to its own. */
  readonly nsPids: readonly number[]
  /** Effective user as this process sees it. */
  readonly uid: number
  readonly noNewPrivileges: boolean
  /** 0: none, 1: strict, 2: filters. seccomp(2) */
  readonly seccomp: number
  readonly seccompFilters: number
  /** Bit n is capability n. capabilities(7) */
  readonly effectiveCapabilities: bigint
  readonly boundingCapabilities: bigint
}

export function parseStatus(text: string): ProcessStatus {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const number = (name: string) => Number.parseInt(fields.get(name) ?? '', 10) || 0
  return {
    name: fields.get('Name') ?? '',
    state: fields.get('State')?.[0] ?? '',
    threads: number('Threads'),
    nsPids: (fields.get('NSpid') ?? '').split(/\s+/).filter(Boolean).map(Number),
    uid: Number((fields.get('Uid') ?? '').split(/\s+/)[1] ?? Number.NaN),
    noNewPrivileges: fields.get('NoNewPrivs') === '1',
    seccomp: number('Seccomp'),
    seccompFilters: number('Seccomp_filters'),
    effectiveCapabilities: capabilitySet(fields.get('CapEff')),
    boundingCapabilities: capabilitySet(fields.get('CapBnd')),
  }
}

const capabilitySet = (digits = ''): bigint => (/^[0-9a-f]{1,16}$/.test(digits) ? BigInt(`0x${digits}`) : 0n)

/** Undefined when there is no such process. */
export function readStatus(pid: number): ProcessStatus | undefined {
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

/** Children of a process, whichever of its threads started them; oldest first for a process with one. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => childrenOfThread(pid, thread))
  } catch {
    return []
  }
}

/** None for a thread that has just ended: its children are another one's by then. */
function childrenOfThread(pid: number, thread: string): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** All below a process, nearest first. */
export function descendantsOf(pid: number): number[] {
  const found = childrenOf(pid)
  for (const child of found) found.push(...childrenOf(child))
  return found
}

/** The hard limit of open descriptors. */
export const parseOpenFilesMax = (limits: string): number => hardLimit(limits, 'Max open files') ?? 1024

/** Of /proc/PID/limits; infinity without a limit. proc_pid_limits(5) */
export function hardLimit(limits: string, name: string): number | undefined {
  const line = limits.split('\n').find((candidate) => candidate.startsWith(`${name} `))
  const hard = line?.slice(name.length).trim().split(/ +/)[1]
  return hard === undefined ? undefined : hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}
