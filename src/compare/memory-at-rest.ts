/**
 * What one idle instance costs the host: all processes that exist for it, its VMM or OCI runtime included, as
 * /proc/PID/smaps_rollup counts them (proc(5)): private pages, and the proportional share of pages it shares.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { packageRoot, probePath } from '../paths.ts'

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
export async function measureMemoryAtRest(isolation: Isolation, memory: string): Promise<MemoryAtRest> {
  const child = spawn(
    join(packageRoot, 'bin/cloister'),
    ['run', '-i', '--rm', '--isolation', isolation, '--memory', memory, probePath, 'hold'],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => {
    errors = (errors + bytes.toString()).slice(-1000)
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string) =>
        reject(new HostError(`Cannot measure the memory of a ${isolation}: the probe ${reason}. ${errors.trim()}`))
      const timer = setTimeout(() => fail('did not come up'), START_LIMIT_MS)
      child.on('close', () => fail('ended early'))
      child.on('error', (error) => fail(error.message))
      child.stdout.on('data', (bytes: Buffer) => {
        if (!bytes.toString().includes(READY)) return
        clearTimeout(timer)
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
    child.stdin.end()
    child.kill('SIGTERM')
    await ended
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
