/** A comparison as people read it: host facts on top, then one table a part, each of them at most a screen. */
import { nameOf } from '../compare/compared.ts'
import type { Comparison, TimeComparison } from '../compare/comparison.ts'
import { formatDurationMs } from '../duration.ts'
import { costTable, densityTable, isolationTable, memoryTable, neighbourTable, timeTable } from './comparison-parts.ts'
import { formatSize } from './quantities.ts'
import { renderTable } from './table.ts'

export function presentComparison(comparison: Comparison): string {
  const { host, levels, command, memoryBytes, tookMs, time, memory, density, cost, isolation, neighbours } = comparison
  const took = formatDurationMs(Math.round(tookMs / 100) * 100)
  const hostTable = renderTable(
    ['HOST', ''],
    host.rows.map(({ name, value }) => [name, value]),
  )
  const tables = [
    hostTable,
    time && timeTable(time, levels),
    memory && memoryTable(memory, levels),
    density && densityTable(density, levels),
    cost && costTable(cost, levels),
    isolation && isolationTable(isolation, levels),
    neighbours && neighbourTable(neighbours, levels),
  ].filter((table) => table !== undefined)
  const title = `${command.join(' ')}   (instances of ${formatSize(memoryBytes)}; measured in ${took})`
  const verdict = outcome(comparison)
  return [title, ...tables, ...(verdict === '' ? [] : [verdict])].join('\n\n')
}

function outcome({ levels, unavailable, failed = [], time }: Comparison): string {
  const verdict = levels.length === 0 ? ['No level ran.'] : time ? sameness(time, levels) : []
  const missing = unavailable.map(({ isolation, reason }) => `${nameOf(isolation)} did not run: ${indented(reason)}`)
  const without = failed.map(({ part, reason }) => `${part} could not be measured: ${indented(reason)}`)
  return [...verdict, ...missing, ...without].join('\n')
}

function sameness({ levels, sameOutcome }: TimeComparison, names: Comparison['levels']): string[] {
  const [first] = names
  const { outputBytes, exitCode } = levels[first!]!
  if (sameOutcome && names.length === 1) {
    return [
      `Every run printed the same ${outputBytes} bytes and ended with status ${exitCode}.`,
      ...said(levels, names),
    ]
  }
  const verdict = sameOutcome
    ? [`Every run of every level printed the same ${outputBytes} bytes and ended with status ${exitCode}.`]
    : [
        'The levels disagree: not every run printed the same bytes and ended with the same status.',
        ...names.map(
          (name) => `  ${nameOf(name)}: ${levels[name]!.outputBytes} bytes, status ${levels[name]!.exitCode}`,
        ),
      ]
  return [...verdict, ...said(levels, names)]
}

const said = (levels: TimeComparison['levels'], names: Comparison['levels']) =>
  names.flatMap((name) => {
    const errors = levels[name]?.errors
    return errors === undefined ? [] : [`${nameOf(name)} said: ${indented(errors)}`]
  })

const indented = (lines: string) => lines.replace(/\n\s*/g, '\n  ')
