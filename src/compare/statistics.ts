/** What is said of repeated measurements: count, minimum, median, 95th percentile, maximum; and ratios pair by pair. */
import type { Ratio, Spread } from './comparison.ts'

export interface Summary {
  readonly count: number
  readonly min: number
  readonly median: number
  readonly p95: number
  readonly max: number
}

/** @param values at least one; nearest-rank percentiles, so that every figure is one that was measured. */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (fraction: number) => sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)]!
  return { count: sorted.length, min: at(0), median: at(0.5), p95: at(0.95), max: at(1) }
}

/** Ratios of interleaved measurements: a machine that drifts drifts under both of a pair. */
export const pairwiseRatios = (a: readonly number[], b: readonly number[]): Summary =>
  summarize(a.slice(0, b.length).map((value, index) => value / b[index]!))

/** With fewer values the 95th percentile is the largest one, and to call it otherwise would claim too much. */
export const P95_LEAST_COUNT = 20

export function spread(values: readonly number[]): Spread {
  const { count, min, median, p95, max } = summarize(values)
  return { count, min, median, ...(count < P95_LEAST_COUNT ? {} : { p95 }), max }
}

export function ratio(a: readonly number[], b: readonly number[]): Ratio {
  const { min, median, max } = pairwiseRatios(a, b)
  return { min, median, max }
}
