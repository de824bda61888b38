/** How long a run takes, span by span: every level in turn, A B A B, so that a host that drifts drifts under all. */
import { HostError } from '../errors.ts'
import { type Compared, nameOf } from './compared.ts'
import { type PerLevel, SPANS, type Span, type TimeComparison, type TimeOfLevel } from './comparison.ts'
import { type Refusal, type Run, runOnce } from './run-once.ts'
import type { Session } from './session.ts'
import { ratio, spread } from './statistics.ts'

export const isRefusal = (run: Run | Refusal): run is Refusal => 'refused' in run

export interface Rounds {
  readonly runs: number
  /** A level leaves the turns when its runs have taken long enough. */
  readonly sparing: boolean
}

/** A level that takes longer is not run again, if it has runs enough for a median. */
const LONG_ENOUGH_MS = 10_000
const RUNS_LEAST = 3

/** @throws HostError when a level that ran before does not any more */
export async function measureTime(
  { levels, memoryBytes, progress, abort }: Session,
  runArgs: readonly string[],
  { runs, sparing }: Rounds,
): Promise<TimeComparison> {
  const taken = new Map<Compared, Run[]>(levels.map((level) => [level, []]))
  for (let round = 1; round <= runs; round++) {
    for (const level of levels) {
      if (sparing && hasEnough(taken.get(level)!)) continue
      progress('time', `run ${round} of ${runs}`)
      const run = await runOnce(level, ['--memory', String(memoryBytes), ...runArgs], abort)
      if (isRefusal(run)) throw new HostError(`Cannot go on comparing: a ${nameOf(level)} did not run: ${run.refused}`)
      taken.get(level)!.push(run)
    }
  }
  const reference = taken.get(levels[0]!)!
  const entries = [...taken].map(([level, samples]) => [level, timeOfLevel(samples, reference)] as const)
  const outcomes = new Set(
    [...taken.values()].flat().map(({ exitCode, outputDigest }) => `${exitCode} ${outputDigest}`),
  )
  return { runs, levels: Object.fromEntries(entries) as PerLevel<TimeOfLevel>, sameOutcome: outcomes.size === 1 }
}

const wholeMs = ({ spansMs }: Run) => spansMs.whole ?? 0

export const hasEnough = (runs: readonly Run[]): boolean =>
  runs.length >= RUNS_LEAST && runs.reduce((sum, run) => sum + wholeMs(run), 0) >= LONG_ENOUGH_MS

function timeOfLevel(runs: readonly Run[], reference: readonly Run[]): TimeOfLevel {
  const { exitCode, outputBytes, outputDigest, errors } = runs.at(-1)!
  const lengths = (of: readonly Run[], span: Span) => of.flatMap(({ spansMs }) => spansMs[span] ?? [])
  /** Spans that every run of all these showed. */
  const whole = (...all: (readonly Run[])[]) =>
    SPANS.filter((span) => all.every((of) => lengths(of, span).length === of.length))
  const spansMs = Object.fromEntries(whole(runs).map((span) => [span, spread(lengths(runs, span))]))
  const ratios = whole(runs, reference).map((span) => [span, ratio(lengths(runs, span), lengths(reference, span))])
  return {
    samples: runs.map(({ errors: _, ...sample }) => sample),
    spansMs,
    ...(runs === reference ? {} : { ratios: Object.fromEntries(ratios) }),
    exitCode,
    outputBytes,
    outputDigest,
    ...(exitCode === 0 || errors === '' ? {} : { errors }),
  }
}
