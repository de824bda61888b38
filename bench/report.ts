/** How every benchmark here prints: one table of summaries, ratios against the first row's peer, or `--json`. */
import { cpus, release } from 'node:os'
import Table from 'cli-table3'
import { pairwiseRatios, type Summary, summarize } from '../src/compare/statistics.ts'

export interface Candidate {
  readonly name: string
  /** One value per round; round n of every candidate was taken close together. */
  readonly values: readonly number[]
}

export interface Report {
  readonly title: string
  readonly unit: string
  /** Candidates are compared with this one, pair by pair. */
  readonly peer: string
  readonly candidates: readonly Candidate[]
}

const figure = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
const cells = ({ min, median, p95 }: Summary) => [min, median, p95].map(figure)

export function printReport({ title, unit, peer, candidates }: Report): void {
  const reference = candidates.find(({ name }) => name === peer)
  const rows = candidates.map(({ name, values }) => ({
    name,
    summary: summarize(values),
    ratio: reference && reference.name !== name ? pairwiseRatios(values, reference.values) : undefined,
  }))
  if (process.argv.includes('--json')) {
    const host = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release(), node: process.version }
    process.stdout.write(`${JSON.stringify({ title, unit, peer, host, rows }, null, 2)}\n`)
    return
  }
  const table = new Table({
    head: [unit, 'min', 'median', 'p95', 'runs', `ratio to ${peer}: median (min to p95)`],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  })
  for (const { name, summary, ratio } of rows) {
    const ratioText = ratio ? `${figure(ratio.median)} (${figure(ratio.min)} to ${figure(ratio.p95)})` : ''
    table.push([name, ...cells(summary), summary.count, ratioText])
  }
  process.stdout.write(`${title}\n${table.toString()}\n`)
}

/** Rounds asked for by `--rounds N`. */
export function rounds(fallback: number): number {
  const at = process.argv.indexOf('--rounds')
  const asked = at < 0 ? fallback : Number(process.argv[at + 1])
  return Number.isInteger(asked) && asked > 0 ? asked : fallback
}
