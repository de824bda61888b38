/** A comparison as people read it: host facts on top, then one table a question. */

import type { Comparison, LevelResult, TimeSummary } from '../compare/compare.ts'
import type { Seen } from '../compare/isolation-probes.ts'
import type { PhaseName } from '../compare/run-once.ts'
import { P95_LEAST_COUNT } from '../compare/statistics.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { formatSize } from './quantities.ts'
import { renderTable } from './table.ts'

/** Empty where a level has no such moment. */
const PHASE_WORDS: Record<PhaseName, Record<Isolation, string>> = {
  process: { container: 'cloister process running', unikernel: 'cloister process running' },
  created: { container: 'bundle written, runtime started', unikernel: 'virtual machine created' },
  entered: { container: '', unikernel: 'guest kernel entered' },
  kernelReady: { container: '', unikernel: 'guest kernel ready' },
  programStarted: { container: 'program started', unikernel: 'program started' },
  firstOutput: { container: 'first output byte', unikernel: 'first output byte' },
  exit: { container: 'exit, all released', unikernel: 'exit, all released' },
}

const ms = (value: number) => value.toFixed(1)
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
const summary = (value: TimeSummary | undefined) =>
  value ? `${ms(value.minMs)} / ${ms(value.medianMs)} / ${ms(value.p95Ms ?? value.maxMs)}` : 'not seen from outside'

export function presentComparison(comparison: Comparison): string {
  const { host, levels, command, runs, memoryBytes } = comparison
  const names = levels.map(({ isolation }) => isolation)
  const times = `${runs} ${runs === 1 ? 'run' : 'runs'} of each level, interleaved; ${formatSize(memoryBytes)} each`
  const hostTable = renderTable(
    ['HOST', ''],
    host.rows.map(({ name, value }) => [name, value]),
  )
  const head = [`${command.join(' ')}   (${times})`, '', hostTable, '']
  if (levels.length === 0) return [...head, ...outcome(comparison)].join('\n')
  return [
    ...head,
    renderTable(
      [`TIME from the request, ms: min / median / ${runs < P95_LEAST_COUNT ? 'max' : 'p95'}`, ...names],
      timeRows(levels),
    ),
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
    ...outcome(comparison),
  ].join('\n')
}

function outcome({ levels, unavailable, sameOutcome }: Comparison): string[] {
  const [first] = levels
  const verdict =
    first === undefined
      ? 'No level ran.'
      : sameOutcome
        ? `Every run printed the same ${first.outputBytes} bytes and ended with status ${first.exitCode}.`
        : 'The levels disagree: not every run printed the same bytes and ended with the same status.'
  const ends = sameOutcome
    ? []
    : levels.map(({ isolation, exitCode, outputBytes }) => `  ${isolation}: ${outputBytes} bytes, status ${exitCode}`)
  const said = levels.flatMap(({ isolation, errors }) => (errors ? [`${isolation} said: ${indented(errors)}`] : []))
  const missing = unavailable.map(({ isolation, reason }) => `${isolation} did not run: ${indented(reason)}`)
  return [verdict, ...ends, ...said, ...missing]
}

const indented = (lines: string) => lines.replace(/\n\s*/g, '\n  ')

const seenWords = (seen: Seen | undefined, expected: string) =>
  seen ? (seen.asExpected ? `✓ ${seen.text}` : `✗ ${seen.text}, expected ${expected}`) : ''

function timeRows(levels: readonly LevelResult[]): string[][] {
  const isSeen = (phase: PhaseName) => levels.some(({ isolation }) => PHASE_WORDS[phase][isolation] !== '')
  const rows = (Object.keys(PHASE_WORDS) as PhaseName[]).filter(isSeen).map((phase) => {
    const words = [
      ...new Set(levels.map(({ isolation }) => PHASE_WORDS[phase][isolation]).filter((word) => word !== '')),
    ]
    const cells = levels.map(({ isolation, time }) => (PHASE_WORDS[phase][isolation] ? summary(time[phase]) : '-'))
    return [words.join(' | '), ...cells]
  })
  const ratios = levels.map(({ ratio }) =>
    ratio ? `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})` : '1',
  )
  return [...rows, [`exit, ratio to ${levels[0]!.isolation}, pair by pair`, ...ratios]]
}

const memoryRows = (levels: readonly LevelResult[]): string[][] => [
  ['private to the instance', ...levels.map(({ memoryAtRest }) => mib(memoryAtRest.privateBytes))],
  ['with its share of shared pages', ...levels.map(({ memoryAtRest }) => mib(memoryAtRest.proportionalBytes))],
  ['host processes', ...levels.map(({ memoryAtRest }) => String(memoryAtRest.processes))],
]
