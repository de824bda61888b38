/**
 * What one idle instance costs the host: all processes that exist for it, its VMM or OCI runtime included, as
 * /proc/PID/smaps_rollup counts them (proc(5)): private pages, and the proportional share of pages it shares.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { HostError } from '../errors.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { probePath } from '../paths.ts'
import { startRun } from './child.ts'

export interface MemoryAtRest {
  readonly privateBytes: number
  readonly proportionalBytes: number
  readonly processes: number
  /** Of which in the command's own process (for a unikernel that is the VMM with the guest's RAM). */
  readonly commandPrivateBytes: number
}

const READY = 'ready'
const START_LIMIT_MS = 30_000

/** Starts the probe's `hold`, waits until it rests, counts, and lets it end. */
export async function measureMemoryAtRest(
  isolation: Isolation,
  memory: string,
  abort?: AbortSignal,
): Promise<MemoryAtRest> {
  const args = ['-i', '--rm', '--isolation', isolation, '--memory', memory, probePath, 'hold']
  const { process: child, errors, ended } = startRun(args, { stdin: 'pipe', abort })
  // It may end before it is asked to.
  child.stdin!.on('error', () => {})
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string) =>
        reject(new HostError(`Cannot measure the memory of a ${isolation}: the probe ${reason}. ${errors()}`))
      timer = setTimeout(() => fail('did not come up'), START_LIMIT_MS)
      ended.then(
        () => fail('ended early'),
        (error: Error) => fail(error.message),
      )
      child.stdout!.on('data', (bytes: Buffer) => {
        if (!bytes.toString().includes(READY)) return
        resolve()
      })
    })
    const pids = descendants(child.pid!)
    const counts = pids.map(processMemory)
    const sum = (pick: (count: ProcessMemory) => number) => counts.reduce((total, count) => total + pick(count), 0)
    return {
      privateBytes: sum((count) => count.privateBytes),
      proportionalBytes: sum((count) => count.proportionalBytes),
      processes: pids.length,
      commandPrivateBytes: counts[0]!.privateBytes,
    }
  } finally {
    clearTimeout(timer)
    child.stdin!.end()
    child.kill('SIGTERM')
    await ended.catch(() => {})
    abort?.throwIfAborted()
  }
}

interface ProcessMemory {
  readonly privateBytes: number
  readonly proportionalBytes: number
}

/** A process that has just gone counts nothing. */
function processMemory(pid: number): ProcessMemory {
  let text = ''
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  } catch {}
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  return { privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'), proportionalBytes: bytes('Pss') }
}

/** The process and all below it, itself first. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

function parentOf(pid: number): number | undefined {
  try {
    // proc(5) stat: the command in parentheses may hold anything; the parent is the second field after it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}
