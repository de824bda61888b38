/**
 * What a benchmark answers: the document that `cloister bench --json` prints, schema `cloister.bench/1`. Raw samples
 * stand beside every summary, so that any figure can be computed again. docs/benchmarks.md explains each key.
 */
import type { Spread } from '../compare/comparison.ts'
import type { HostFacts } from '../compare/host-facts.ts'

export const BENCH_NAMES = ['boot', 'density', 'syscall', 'block', 'net'] as const
export type BenchName = (typeof BENCH_NAMES)[number]

/**
 * `level`: one of ours. `peer`: somebody else's way to the same thing. `floor`: what no isolation can be quicker than.
 * `part`: one piece of the path by itself.
 */
export type ContenderKind = 'level' | 'peer' | 'floor' | 'part'

export interface ContenderFacts {
  readonly name: string
  readonly kind: ContenderKind
  /** What exactly is run, in words. */
  readonly what: string
}

export interface MeasurementRow {
  readonly contender: string
  /** One a round, in the order of the rounds: sample n of every row was taken in round n. */
  readonly samples: readonly number[]
  readonly summary: Spread
  /** Of `samples[n] / reference.samples[n]`; absent for the reference itself, and where one is not above zero. */
  readonly ratio?: Spread
}

export type Unit = 'ms' | 'ns' | 'bytes'

/** One question, answered for each contender that can answer it. */
export interface Measurement {
  /** Stable name: `total`, `system-call`. */
  readonly id: string
  readonly title: string
  readonly unit: Unit
  /** Name of the contender that the others are divided by; null where none of its row is there. */
  readonly reference: string | null
  readonly rows: readonly MeasurementRow[]
}

/** How the host fared as instances of one contender were added, one after another, in one round. */
export interface GrowthSeries {
  readonly contender: string
  readonly round: number
  readonly points: readonly GrowthPoint[]
  readonly stoppedBy: GrowthStop
  /** What the last one said, where it failed. */
  readonly reason?: string
}

/** `instances`: as many as were asked for. The others: the host had to be spared. */
export type GrowthStop = 'instances' | 'memory' | 'time' | 'failure'

export interface GrowthPoint {
  /** At rest at that moment, this one included. */
  readonly instances: number
  /** From the request until this instance rested. */
  readonly startMs: number
  /** Memory that the host could still give, MemAvailable of /proc/meminfo. */
  readonly availableBytes: number
  /** All processes of all instances together, smaps_rollup; counted at some of the points, always first and last. */
  readonly privateBytes?: number
  readonly proportionalBytes?: number
}

export interface UnavailableContender {
  readonly name: string
  readonly kind: ContenderKind
  readonly reason: string
}

export interface BenchResult {
  readonly schema: 'cloister.bench/1'
  readonly bench: BenchName
  readonly host: HostFacts
  /** What repeats this benchmark, the seed included. */
  readonly command: string
  /** Rounds counted, and rounds before them that were not. */
  readonly runs: number
  readonly warmups: number
  /** Shuffles the contenders anew in each round. */
  readonly seed: number
  readonly memoryBytes: number
  readonly contenders: readonly ContenderFacts[]
  readonly unavailable: readonly UnavailableContender[]
  readonly measurements: readonly Measurement[]
  /** `density` only. */
  readonly growth?: readonly GrowthSeries[]
}
