/**
 * Results of real runs, recorded once (`cloister compare --json`, `cloister bench --json`), with the path of the checkout
 * replaced: what the pages are drawn from in tests.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { BenchResult } from '../../src/bench/bench-result.ts'
import type { Comparison } from '../../src/compare/comparison.ts'

const read = (name: string) =>
  JSON.parse(
    readFileSync(fileURLToPath(new URL(`../../../test/report/fixtures/${name}.json`, import.meta.url)), 'utf8'),
  )

export const recordedComparison = (): Comparison => read('comparison')
export const recordedBench = (name: 'boot' | 'density'): BenchResult => read(`bench-${name}`)

export const NASTY =
  '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1">"\'><b>&lt;\u2028\u202e\0<!--{bold|x}'

/** Texts of ours, which a page looks words up by. */
const OURS = /^(schema|startedAt|levels|parts|bench)$|\.(stoppedBy|basis|attack|unit|kind|workloads\.name)$/

/** The same result as a hostile program, host or peer could have made it: every text that is not ours is an attack. */
export function hostile<T>(value: T, path = ''): T {
  if (typeof value === 'string') return (OURS.test(path) ? value : `${value}${NASTY}`) as T
  if (Array.isArray(value)) return value.map((one) => hostile(one, path)) as T
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, one]) => [key, hostile(one, path === '' ? key : `${path}.${key}`)])
  return Object.fromEntries(entries) as T
}
