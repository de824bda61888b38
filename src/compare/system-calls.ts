/**
 * The attack surface: which system calls reach the host's kernel from an instance. Counted twice, from the policy and
 * by tracing its host processes while the probe's `load` runs inside; the program's own apart from those around it.
 */

import { readlinkSync } from 'node:fs'
import { reachableSyscalls, seccompProfile } from '../container/seccomp.ts'
import { HostError } from '../errors.ts'
import { readStatus } from '../host/process-status.ts'
import { probePath } from '../paths.ts'
import { onLines, type RunChild, startRun } from './child.ts'
import { type Compared, isolationOf, nameOf } from './compared.ts'
import type { CallsOfParty, PerLevel, SystemCallSurface, TracedCalls } from './comparison.ts'
import { withDescendants } from './process-memory.ts'
import { instanceArgs, type Session } from './session.ts'
import { traceCalls } from './strace.ts'

/** seccomp(2) */
const SECCOMP_MODE_FILTER = 2
const TRACED_MS = 1000
/** Starting, and strace at work, come on top. */
const LOAD_MS = 20_000

export async function measureSystemCalls(session: Session): Promise<PerLevel<SystemCallSurface>> {
  const surfaces: Partial<Record<Compared, SystemCallSurface>> = {}
  for (const level of session.levels) {
    session.progress('isolation', `system calls of a ${nameOf(level)} under load`)
    surfaces[level] = await surfaceOf(level, session)
  }
  return surfaces
}

async function surfaceOf(level: Compared, { memoryBytes, abort }: Session): Promise<SystemCallSurface> {
  const args = [...instanceArgs(level, memoryBytes), probePath, 'load', String(LOAD_MS)]
  const child = startRun(args, { stdin: 'ignore', abort })
  try {
    await underLoad(level, child)
    const pids = withDescendants([child.process.pid!])
    const program = pids.filter((pid) => linkOf(pid, 'exe')?.endsWith(probePath) === true)
    const around = pids.filter((pid) => !program.includes(pid))
    return {
      program: { ...policyOf(level, program), ...(await seenOf(program, abort)) },
      around: { ...filterOf(around), ...(await seenOf(around, abort)) },
    }
  } finally {
    await child.end()
    abort.throwIfAborted()
  }
}

/** The load is on when it has said so twice. */
async function underLoad(level: Compared, child: RunChild): Promise<void> {
  let lines = 0
  const loaded = new Promise<void>((resolve) => onLines(child, () => ++lines === 2 && resolve()))
  const ended = child.ended.then((status) => {
    throw new HostError(`Cannot trace a ${nameOf(level)} under load: it ended with status ${status}. ${child.errors()}`)
  })
  await Promise.race([loaded, ended])
}

/** No process of that kind exists on the host: there is nothing to trace, and that is the finding. */
const NOBODY: TracedCalls = { tracedMs: 0, processes: 0, distinct: 0, calls: [] }

type Sight = Pick<CallsOfParty, 'traced' | 'notTracedBecause'>

async function seenOf(party: readonly number[], abort: AbortSignal): Promise<Sight> {
  const result = party.length === 0 ? NOBODY : await traceCalls(party, TRACED_MS, abort)
  return 'notTracedBecause' in result ? { traced: null, ...result } : { traced: result }
}

type Policy = Pick<CallsOfParty, 'allowed' | 'policy'>

function policyOf(level: Compared, program: readonly number[]): Policy {
  if (program.length === 0) return { allowed: 0, policy: 'no process on the host: its calls end in the guest kernel' }
  const filtered = program.every(hasFilter)
  if (isolationOf(level) !== 'container' || !filtered) return filterOf(program)
  return {
    allowed: reachableSyscalls(seccompProfile()),
    policy: 'a seccomp filter, as src/container/syscalls.ts lists',
  }
}

/** What the kernel says of each of them: how many calls a filter lets through cannot be asked. */
function filterOf(pids: readonly number[]): Policy {
  const open = pids.filter((pid) => !hasFilter(pid)).length
  const policy =
    open === 0 ? 'a seccomp filter' : open === pids.length ? 'no filter' : `no filter on ${open} of ${pids.length}`
  return { allowed: null, policy }
}

const hasFilter = (pid: number) => readStatus(pid)?.seccomp === SECCOMP_MODE_FILTER

function linkOf(pid: number, name: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/${name}`)
  } catch {
    return undefined
  }
}
