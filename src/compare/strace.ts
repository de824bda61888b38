/** Which system calls a set of host processes makes: strace, attached to them and their threads for a while. strace(1) */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './child.ts'
import type { TracedCalls } from './comparison.ts'
import { pause } from './resting.ts'

export interface NotTraced {
  readonly notTracedBecause: string
}

export async function traceCalls(
  pids: readonly number[],
  lengthMs: number,
  abort: AbortSignal,
): Promise<TracedCalls | NotTraced> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-strace-'))
  const file = join(directory, 'trace')
  const attach = pids.flatMap((pid) => ['-p', String(pid)])
  const began = performance.now()
  const strace = startChild('strace', ['-f', '-qq', '-s0', '-esignal=none', '-o', file, ...attach], {
    stdin: 'ignore',
    env: { ...process.env, LC_ALL: 'C' },
    abort,
  })
  try {
    const early = await Promise.race([
      strace.ended.then(() => ({ notTracedBecause: firstLine(strace.errors()) }), startFault),
      pause(lengthMs, abort),
    ])
    if (early) return early
    // It detaches.
    strace.process.kill('SIGINT')
    await strace.ended
    const tracedMs = performance.now() - began
    const calls = countCalls(readFileSync(file, 'utf8'))
    return { tracedMs, processes: pids.length, distinct: calls.length, calls }
  } finally {
    await strace.end()
    rmSync(directory, { recursive: true, force: true })
  }
}

function startFault({ code, message }: NodeJS.ErrnoException): NotTraced {
  if (code !== 'ENOENT') return { notTracedBecause: message }
  return { notTracedBecause: 'strace is not installed (Debian package strace)' }
}

const firstLine = (text: string) => text.split('\n')[0] || 'strace ended early and did not say why'

/** `21 read(0, ...) = 5`, or in two halves, `21 read(0,  <unfinished ...>` and `21 <... read resumed>...) = 5`. */
const LINE = /^\d+ +(<\.\.\. )?([a-z_]\w*)(?:\(| resumed)(?:.*= -1 (E\w+))?/

/**
 * Counted where they begin: strace's own summary (-c) leaves out a call that has not come back, and a vCPU that needs
 * no help never comes back from KVM_RUN.
 */
export function countCalls(trace: string): TracedCalls['calls'] {
  const calls = new Map<string, { name: string; count: number; errors: number }>()
  for (const line of trace.split('\n')) {
    const [, resumed, name, error] = LINE.exec(line) ?? []
    if (name === undefined) continue
    const call = calls.get(name) ?? { name, count: 0, errors: 0 }
    calls.set(name, call)
    if (resumed === undefined) call.count++
    if (error !== undefined) call.errors++
  }
  return [...calls.values()].sort((a, b) => b.count - a.count)
}
