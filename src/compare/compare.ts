/**
 * The same program at each isolation level, interleaved, in one run: time by phase, memory at rest, isolation seen
 * from inside. Everything in the result was measured just now; a level that cannot run here is named with the reason.
 */
import { HostError } from '../errors.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { type HostFacts, hostFacts } from './host-facts.ts'
import { type IsolationFinding, probeIsolation } from './isolation-probes.ts'
import { type MemoryAtRest, measureMemoryAtRest } from './memory-at-rest.ts'
import { PHASE_NAMES, type PhaseName, type Refusal, runOnce, type Sample } from './run-once.ts'
import { P95_LEAST_COUNT, pairwiseRatios, type Summary, summarize } from './statistics.ts'

export interface CompareOptions {
  /** The flags and operands of `run` that name what to run: SOURCE and CMD, or `--rootfs DIR` and CMD. */
  readonly runArgs: readonly string[]
  readonly levels: readonly Isolation[]
  readonly runs: number
  readonly memoryBytes: number
  /** Told what is being measured, for people who wait. */
  readonly progress?: (what: string) => void
  /** Ends the comparison and the runs that it started. */
  readonly abort?: AbortSignal
}

/** The 95th percentile is there when there are runs enough for one. */
export interface TimeSummary {
  readonly count: number
  readonly minMs: number
  readonly medianMs: number
  readonly p95Ms?: number
  readonly maxMs: number
}

export interface RatioSummary {
  readonly min: number
  readonly median: number
  readonly max: number
}

export interface LevelResult {
  readonly isolation: Isolation
  readonly exitCode: number
  readonly outputBytes: number
  readonly outputDigest: string
  /** What a run that failed said, to its end. */
  readonly errors?: string
  /** From the request; a mark this level cannot see is absent. */
  readonly time: Partial<Record<PhaseName, TimeSummary>>
  /** Whole runs against those of the first level, pair by pair. */
  readonly ratio?: RatioSummary
  readonly memoryAtRest: MemoryAtRest
}

/** A level that did not get as far as the program. */
export interface UnavailableLevel {
  readonly isolation: Isolation
  readonly reason: string
}

export interface Comparison {
  readonly schema: 'cloister.compare/1'
  readonly host: HostFacts
  readonly command: readonly string[]
  readonly runs: number
  readonly memoryBytes: number
  readonly levels: readonly LevelResult[]
  readonly unavailable: readonly UnavailableLevel[]
  readonly isolation: readonly IsolationFinding[]
  /** Whether every run at every level that there is printed the same bytes and ended with the same status. */
  readonly sameOutcome: boolean
}

/** @throws HostError when a level that ran at first does not any more; what `abort` was given, when it was */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { runs, runArgs, memoryBytes, progress = () => {}, abort } = options
  const memory = String(memoryBytes)
  const run = (level: Isolation) => runOnce(level, ['--memory', memory, ...runArgs], abort)

  progress('warming up')
  const unavailable: UnavailableLevel[] = []
  for (const level of options.levels) {
    const sample = await run(level) // it warms the page cache, and its time does not count
    if (isRefusal(sample)) unavailable.push({ isolation: level, reason: sample.refused })
  }
  const levels = options.levels.filter((level) => !unavailable.some(({ isolation }) => isolation === level))

  const samples = new Map<Isolation, Sample[]>(levels.map((level) => [level, []]))
  for (let round = 1; levels.length > 0 && round <= runs; round++) {
    progress(`run ${round} of ${runs}`)
    for (const level of levels) {
      const sample = await run(level)
      if (isRefusal(sample)) throw new HostError(`Cannot go on comparing: a ${level} did not run: ${sample.refused}`)
      samples.get(level)!.push(sample)
    }
  }
  const memoryAtRest = new Map<Isolation, MemoryAtRest>()
  for (const level of levels) {
    progress(`memory of a ${level} at rest`)
    memoryAtRest.set(level, await measureMemoryAtRest(level, memory, abort))
  }
  progress('what can be seen from inside')
  const isolation = await probeIsolation(levels, memory, abort)
  abort?.throwIfAborted()

  const reference = samples.get(levels[0]!)
  const results = levels.map((level): LevelResult => {
    const taken = samples.get(level)!
    const last = taken.at(-1)!
    return {
      isolation: level,
      exitCode: last.exitCode,
      outputBytes: last.outputBytes,
      outputDigest: last.outputDigest,
      ...(last.exitCode === 0 || last.errors === '' ? {} : { errors: last.errors }),
      time: summarizeMarks(taken),
      ...(taken === reference ? {} : { ratio: asRatio(pairwiseRatios(exits(taken), exits(reference!))) }),
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
    memoryBytes,
    levels: results,
    unavailable,
    isolation,
    sameOutcome: outcomes.size === 1,
  }
}

const isRefusal = (sample: Sample | Refusal): sample is Refusal => 'refused' in sample

const exits = (samples: readonly Sample[]) => samples.map(({ marksMs }) => marksMs.exit!)

function summarizeMarks(samples: readonly Sample[]): Partial<Record<PhaseName, TimeSummary>> {
  const entries = PHASE_NAMES.map((name) => {
    const values = samples.map(({ marksMs }) => marksMs[name]).filter((value) => value !== undefined)
    return [name, values.length === samples.length ? asTime(summarize(values)) : undefined] as const
  })
  return Object.fromEntries(entries.filter(([, summary]) => summary !== undefined))
}

export const asTime = ({ count, min, median, p95, max }: Summary): TimeSummary => ({
  count,
  minMs: min,
  medianMs: median,
  ...(count < P95_LEAST_COUNT ? {} : { p95Ms: p95 }),
  maxMs: max,
})

const asRatio = ({ min, median, max }: Summary): RatioSummary => ({ min, median, max })
