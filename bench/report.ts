/** How every script here takes turns and prints: the rounds and the table of `cloister bench`, or `--json`. */
import { cpus, release } from 'node:os'
import { measurement } from '../src/bench/measurement.ts'
import { interleave } from '../src/bench/rounds.ts'
import { measurementTable } from '../src/cli/bench-table.ts'
import { print } from '../src/cli/terminal.ts'

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

export interface Player {
  readonly name: string
  readonly measure: () => number | Promise<number>
}

/** Every player once a round, in an order shuffled anew for each; the first rounds warm up and do not count. */
export async function takeTurns(
  players: readonly Player[],
  { runs, warmups }: { readonly runs: number; readonly warmups: number },
): Promise<Candidate[]> {
  const entrants = players.map(({ name, measure }) => ({
    contender: { name, kind: 'part', what: name } as const,
    measure: async () => ({ value: await measure() }),
  }))
  const { taken, failed } = await interleave(entrants, { runs, warmups, seed: 1, progress: () => {} })
  if (failed[0]) throw new Error(`${failed[0].name}: ${failed[0].reason}`)
  return taken.map(({ contender, values }) => ({ name: contender.name, values: values.map(({ value }) => value!) }))
}

export function printReport({ title, unit, peer, candidates }: Report): void {
  const rows = candidates.map(({ name, values }) => ({ contender: name, samples: values }))
  const measured = measurement({ id: 'all', title, unit: 'ns' }, rows, peer)
  if (process.argv.includes('--json')) {
    const host = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release(), node: process.version }
    print(JSON.stringify({ title, unit, peer, host, rows: measured.rows }, null, 2))
    return
  }
  print(measurementTable(measured, { word: unit, scale: 1 }))
}

/** Rounds asked for by `--rounds N`. */
export function rounds(fallback: number): number {
  const at = process.argv.indexOf('--rounds')
  const asked = at < 0 ? fallback : Number(process.argv[at + 1])
  return Number.isInteger(asked) && asked > 0 ? asked : fallback
}
