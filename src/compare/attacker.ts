/** One bad neighbour at work: what it said, how it ended, what it took at most, and what it left behind. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PIDS_LIMIT } from '../container/bundle.ts'
import { identityOf, isAlive, type ProcessIdentity } from '../instance/process-identity.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { attackPath } from '../paths.ts'
import type { AttackRow } from './attacks.ts'
import { onLines, type RunChild, startRun } from './child.ts'
import { type Compared, isolationOf } from './compared.ts'
import type { NeighbourOutcome } from './comparison.ts'
import { processMemory, withDescendants } from './process-memory.ts'
import { instanceArgs, type Session } from './session.ts'

/** For starting, and for what the host needs to end it; a Linux whose kernel mode is emulated takes its time for all. */
const OVERTIME_MS: Readonly<Record<Isolation, number>> = { container: 5000, unikernel: 5000, microvm: 45_000 }
const LOOK_MS = 200
/** Our command, the OCI runtime and its like. */
const PROCESSES_AROUND = 16
const MEMORY_AROUND = 96 * 2 ** 20
const TIMED_OUT = 124

export interface Attacked {
  readonly attacker: NeighbourOutcome['attacker']
  readonly peak: NeighbourOutcome['peak']
  /** It kept within its limits, and nothing of it is left. */
  readonly contained: boolean
}

let named = 0

/** Attacks for so long, and returns when the attacker is gone. */
export async function attack(level: Compared, row: AttackRow, ms: number, session: Session): Promise<Attacked> {
  const { memoryBytes, abort } = session
  const name = `compare-${process.pid}-${++named}`
  const args = [
    ...['--name', name, '--timeout', `${ms + OVERTIME_MS[isolationOf(level)]}ms`],
    ...instanceArgs(level, memoryBytes),
    ...[attackPath, ...row.args(ms, memoryBytes)],
  ]
  const began = performance.now()
  const watch = watchProcesses()
  let attacker: Attacked['attacker']
  try {
    do {
      const child = startRun(args, { stdin: 'ignore', abort })
      watch.of(child)
      let said = ''
      onLines(child, (line) => {
        said = line
      })
      const exitCode = (await child.ended) ?? -1
      abort.throwIfAborted()
      const report = child
        .errors()
        .split('\n')[0]!
        .replace(/^cloister: /, '')
      attacker = { exitCode, endedByItself: exitCode !== TIMED_OUT, said, report }
    } while (row.repeated && performance.now() - began < ms)
  } finally {
    watch.end()
  }
  const { peak } = watch
  const contained = keptLimits(peak, memoryBytes) && !watch.anyAlive() && leftGroups(name).length === 0
  return { attacker, peak, contained }
}

export const keptLimits = ({ processes, proportionalBytes }: Attacked['peak'], memoryBytes: number): boolean =>
  processes <= PIDS_LIMIT + PROCESSES_AROUND && proportionalBytes <= memoryBytes + MEMORY_AROUND

function watchProcesses() {
  const seen = new Map<string, ProcessIdentity>()
  const peak = { processes: 0, proportionalBytes: 0 }
  let child: RunChild | undefined
  const look = () => {
    if (child?.process.pid === undefined || child.process.exitCode !== null) return
    const pids = withDescendants([child.process.pid])
    for (const identity of pids.flatMap((pid) => identityOf(pid) ?? [])) {
      seen.set(`${identity.pid} ${identity.startTime}`, identity)
    }
    const proportionalBytes = pids.reduce((sum, pid) => sum + processMemory(pid).proportionalBytes, 0)
    peak.processes = Math.max(peak.processes, pids.length)
    peak.proportionalBytes = Math.max(peak.proportionalBytes, proportionalBytes)
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    peak,
    of(next: RunChild) {
      child = next
    },
    end: () => clearInterval(timer),
    anyAlive: () => [...seen.values()].some(isAlive),
  }
}

/** Control groups named after the instance, at most one level down in each hierarchy. */
export function leftGroups(name: string): string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, mountPoint]) => mountPoint!)
  const below = (directory: string) => {
    try {
      return readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(directory, entry.name))
    } catch {
      return []
    }
  }
  return mounts
    .flatMap(below)
    .flatMap((group) => [group, ...(/cloister[^/]*$/.test(group) ? below(group) : [])])
    .filter((group) => group.includes(name))
}
