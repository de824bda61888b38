/** A comparison as people read it: host facts on top, then one table a question. */

import type { Comparison, LevelResult } from '../compare/compare.ts'
import type { Seen } from '../compare/isolation-probes.ts'
import type { PhaseName } from '../compare/run-once.ts'
import type { Summary } from '../compare/statistics.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { renderTable } from './table.ts'

const PHASE_WORDS: Record<PhaseName, Record<Isolation, string>> = {
  process: { container: 'cloister process running', unikernel: 'cloister process running' },
  created: { container: 'bundle written', unikernel: 'virtual machine created' },
  entered: { container: 'runtime started', unikernel: 'guest kernel entered' },
  kernelReady: { container: '', unikernel: 'guest kernel ready' },
  programStarted: { container: 'program started', unikernel: 'program started' },
  firstOutput: { container: 'first output byte', unikernel: 'first output byte' },
  exit: { container: 'exit, all released', unikernel: 'exit, all released' },
}

const ms = (value: number) => value.toFixed(1)
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
const summary = (value: Summary | undefined) =>
  value ? `${ms(value.min)} / ${ms(value.median)} / ${ms(value.p95)}` : 'not seen from outside'

export function presentComparison(comparison: Comparison): string {
  const { host, levels, command, runs, memory, sameOutcome } = comparison
  const names = levels.map(({ isolation }) => isolation)
  return [
    `${command.join(' ')}   (${runs} runs of each level, interleaved; ${memory} each)`,
    '',
    renderTable(
      ['HOST', ''],
      host.rows.map(({ name, value }) => [name, value]),
    ),
    '',
    renderTable(['TIME from the request, ms: min / median / p95', ...names], timeRows(levels)),
    '',
    renderTable(['MEMORY at rest, MiB', ...names], memoryRows(levels)),
    '',
    renderTable(
      ['ISOLATION seen from inside (✓ as expected)', ...names],
      comparison.isolation.map(({ question, expected, seen }) => [
        question,
        ...names.map((name) => seenWords(seen[name], expected[name])),
      ]),
    ),
    '',
    sameOutcome
      ? `Every run printed the same ${levels[0]!.outputBytes} bytes and ended with status ${levels[0]!.exitCode}.`
      : 'The levels disagree: not every run printed the same bytes and ended with the same status.',
  ].join('\n')
}

const seenWords = (seen: Seen | undefined, expected: string) =>
  seen ? (seen.asExpected ? `✓ ${seen.text}` : `✗ ${seen.text}, expected ${expected}`) : ''

function timeRows(levels: readonly LevelResult[]): string[][] {
  const rows = (Object.keys(PHASE_WORDS) as PhaseName[]).map((phase) => {
    const words = [
      ...new Set(levels.map(({ isolation }) => PHASE_WORDS[phase][isolation]).filter((word) => word !== '')),
    ]
    return [words.join(' | '), ...levels.map(({ time }) => summary(time[phase]))]
  })
  const ratios = levels.map(({ ratio }) =>
    ratio ? `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.p95.toFixed(2)})` : '1',
  )
  return [...rows, [`exit, ratio to ${levels[0]!.isolation}, pair by pair`, ...ratios]]
}

const memoryRows = (levels: readonly LevelResult[]): string[][] => [
  ['private to the instance', ...levels.map(({ memoryAtRest }) => mib(memoryAtRest.privateBytes))],
  ['with its share of shared pages', ...levels.map(({ memoryAtRest }) => mib(memoryAtRest.proportionalBytes))],
  ['host processes', ...levels.map(({ memoryAtRest }) => String(memoryAtRest.processes))],
]
