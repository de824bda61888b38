/** A benchmark as people read it: host facts on top, one table a question, and who was missing, with the reason. */
import type { BenchResult, GrowthSeries, Measurement, MeasurementRow, Unit } from '../bench/bench-result.ts'
import type { Spread } from '../compare/comparison.ts'
import { formatSize } from './quantities.ts'
import { renderTable } from './table.ts'

export function presentBench(result: BenchResult): string {
  const { host, bench, runs, warmups, memoryBytes, measurements, contenders, unavailable, growth = [] } = result
  const rounds = `${runs} ${runs === 1 ? 'round' : 'rounds'}${warmups === 0 ? '' : ` after ${warmups} to warm up`}`
  const blocks = [
    `bench ${bench}   (${rounds}, interleaved; ${formatSize(memoryBytes)} each)`,
    renderTable(
      ['HOST', ''],
      host.rows.map(({ name, value }) => [name, value]),
    ),
    contenders.length === 0
      ? 'Nothing could be measured.'
      : renderTable(
          ['CONTENDER', ''],
          contenders.map(({ name, what }) => [name, what]),
        ),
    ...measurements.map((measurement) => measurementTable(measurement)),
    ...(growth.length === 0 ? [] : [growthTable(growth)]),
    ...(unavailable.length === 0
      ? []
      : [
          unavailable
            .map(({ name, reason }) => `${name} was not measured: ${reason.replace(/\n\s*/g, ' ')}`)
            .join('\n'),
        ]),
    `Again: ${result.command}`,
  ]
  return blocks.join('\n\n')
}

const MIB = 2 ** 20
interface UnitWords {
  readonly word: string
  readonly scale: number
}

const UNITS: Readonly<Record<Unit, UnitWords>> = {
  ms: { word: 'ms', scale: 1 },
  ns: { word: 'ns', scale: 1 },
  bytes: { word: 'MiB', scale: MIB },
}

/** Three digits that count, and no more than a person reads. */
const figure = (value: number): string => value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)

export function measurementTable(
  { title, unit, reference, rows }: Measurement,
  { word, scale }: UnitWords = UNITS[unit],
): string {
  const hasP95 = rows.every(({ summary }) => summary.p95 !== undefined)
  const high = (spread: Spread) => (hasP95 ? spread.p95! : spread.max)
  const ratioText = ({ ratio }: MeasurementRow) =>
    ratio ? `${figure(ratio.median)} (${figure(ratio.min)} to ${figure(high(ratio))})` : ''
  const highWord = hasP95 ? 'p95' : 'max'
  const head = ['', 'min', 'median', highWord]
  const ratioHead = reference === null ? [] : [`ratio to ${reference}: median (min to ${highWord})`]
  const lines = rows.map((row) => {
    const { min, median } = row.summary
    const cells = [row.contender, ...[min, median, high(row.summary)].map((value) => figure(value / scale))]
    return reference === null ? cells : [...cells, ratioText(row)]
  })
  const [first, ...others] = alignRight([[...head, ...ratioHead], ...lines], [1, 2, 3])
  return `${title}, ${word}\n${renderTable(first!, others)}`
}

/** Figures of one column end where they are one below the other. */
function alignRight(rows: readonly (readonly string[])[], columns: readonly number[]): string[][] {
  const width = (column: number) => Math.max(...rows.map((cells) => cells[column]!.length))
  return rows.map((cells) => cells.map((cell, at) => (columns.includes(at) ? cell.padStart(width(at)) : cell)))
}

const STOPS: Readonly<Record<GrowthSeries['stoppedBy'], string>> = {
  instances: 'as many as asked for',
  memory: "the host's reserve",
  time: 'the time for it was over',
  failure: 'one failed',
}

function growthTable(growth: readonly GrowthSeries[]): string {
  const rows = growth.map(({ contender, round, points, stoppedBy, reason }) => {
    const { instances, privateBytes = 0, proportionalBytes = 0 } = points.at(-1)!
    const mib = (bytes: number) => figure(bytes / MIB)
    const why = reason === undefined ? STOPS[stoppedBy] : `${STOPS[stoppedBy]}: ${reason}`
    return [contender, String(round), String(instances), mib(privateBytes), mib(proportionalBytes), why]
  })
  const head = ['AT REST TOGETHER', 'round', 'instances', 'private MiB', 'proportional MiB', 'stopped by']
  const [first, ...others] = alignRight([head, ...rows], [1, 2, 3, 4])
  return renderTable(first!, others)
}
