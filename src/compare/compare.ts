/**
 * The same program at each isolation level, interleaved, in one run: time by phase, memory at rest, isolation seen
 * from inside. Everything in the result was measured just now; a level that cannot run here is named with the reason.
 */
import type { Isolation } from '../instance/run-spec.ts'
import { type HostFacts, hostFacts } from './host-facts.ts'
import { type IsolationFinding, probeIsolation } from './isolation-probes.ts'
import { type MemoryAtRest, measureMemoryAtRest } from './memory-at-rest.ts'
import { PHASE_NAMES, type PhaseName, runOnce, type Sample } from './run-once.ts'
import { pairwiseRatios, type Summary, summarize } from './statistics.ts'

export interface CompareOptions {
  /** The flags and operands of `run` that name what to run: SOURCE and CMD, or `--rootfs DIR` and CMD. */
  readonly runArgs: readonly string[]
  readonly levels: readonly Isolation[]
  readonly runs: number
  /** As given to --memory. */
  readonly memory: string
  /** Told what is being measured, for people who wait. */
  readonly progress?: (what: string) => void
}

export interface LevelResult {
  readonly isolation: Isolation
  readonly exitCode: number
  readonly outputBytes: number
  readonly outputDigest: string
  /** Milliseconds from the request; a mark this level cannot see is absent. */
  readonly time: Partial<Record<PhaseName, Summary>>
  /** Whole runs against those of the first level, pair by pair. */
  readonly ratio?: Summary
  readonly memoryAtRest: MemoryAtRest
}

export interface Comparison {
  readonly schema: 'cloister.compare/1'
  readonly host: HostFacts
  readonly command: readonly string[]
  readonly runs: number
  readonly memory: string
  readonly levels: readonly LevelResult[]
  readonly isolation: readonly IsolationFinding[]
  /** Whether every run at every level printed the same bytes and ended with the same status. */
  readonly sameOutcome: boolean
}

/** @throws HostError when a level asked for does not run on this host. */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { levels, runs, runArgs, memory, progress = () => {} } = options
  const samples = new Map<Isolation, Sample[]>(levels.map((level) => [level, []]))
  for (let round = -1; round < runs; round++) {
    progress(round < 0 ? 'warming up' : `run ${round + 1} of ${runs}`)
    for (const level of levels) {
      const sample = await runOnce(level, ['--memory', memory, ...runArgs])
      if (round >= 0) samples.get(level)!.push(sample) // the first round warms the page cache
    }
  }
  const memoryAtRest = new Map<Isolation, MemoryAtRest>()
  for (const level of levels) {
    progress(`memory of a ${level} at rest`)
    memoryAtRest.set(level, await measureMemoryAtRest(level, memory))
  }
  progress('what can be seen from inside')
  const isolation = await probeIsolation(levels, memory)

  const reference = samples.get(levels[0]!)!
  const results = levels.map((level): LevelResult => {
    const taken = samples.get(level)!
    const last = taken.at(-1)!
    return {
      isolation: level,
      exitCode: last.exitCode,
      outputBytes: last.outputBytes,
      outputDigest: last.outputDigest,
      time: summarizeMarks(taken),
      ratio: taken === reference ? undefined : pairwiseRatios(exits(taken), exits(reference)),
      memoryAtRest: memoryAtRest.get(level)!,
    }
  })
  const outcomes = new Set(
    [...samples.values()].flat().map(({ exitCode, outputDigest }) => `${exitCode} ${outputDigest}`),
  )
  return {
    schema: 'cloister.compare/1',
    host: await hostFacts(),
    command: runArgs,
    runs,
    memory,
    levels: results,
    isolation,
    sameOutcome: outcomes.size === 1,
  }
}

const exits = (samples: readonly Sample[]) => samples.map(({ marksMs }) => marksMs.exit!)

function summarizeMarks(samples: readonly Sample[]): Partial<Record<PhaseName, Summary>> {
  const entries = PHASE_NAMES.map((name) => {
    const values = samples.map(({ marksMs }) => marksMs[name]).filter((value) => value !== undefined)
    return [name, values.length === samples.length ? summarize(values) : undefined] as const
  })
  return Object.fromEntries(entries.filter(([, summary]) => summary !== undefined))
}
