/** The figures that people ask for first, a column for each level. */

import { type Compared, insideLike, nameOf } from '../compare/compared.ts'
import type { Comparison, CostOfWorkload, Ratio } from '../compare/comparison.ts'
import { table } from './figure.ts'
import { type Html, html, type Piece } from './html.ts'
import { count, figure, mib, ms, times } from './units.ts'

interface Row {
  readonly name: string
  readonly cell: (level: Compared) => Piece
}

const range = ({ min, max }: Ratio) => `${figure(min)} to ${figure(max)}`
const small = (large: string, note: Piece): Html => html`${large}<small>${note}</small>`

export function glance(comparison: Comparison): Html | undefined {
  const { levels } = comparison
  if (levels.length === 0) return undefined
  const rows = rowsOf(comparison).map(({ name, cell }) => [
    name,
    ...levels.map((level) => cell(level) ?? withoutFigure(level)),
  ])
  return html`<div class="glance">${table('At a glance: medians; where each comes from is below', ['', ...levels.map(nameOf)], rows)}</div>`
}

const withoutFigure = (level: Compared) => {
  const other = insideLike(level)
  return other === undefined ? 'not measured' : `as ${nameOf(other)}, inside`
}

function rowsOf(comparison: Comparison): Row[] {
  const { time, memory, density, cost, isolation, neighbours } = comparison
  const first = comparison.levels[0]!
  return [
    ...(time ? timeRows(time, first) : []),
    ...(memory ? [memoryRow(memory)] : []),
    ...(density ? [densityRow(density)] : []),
    ...(cost ? cost.workloads.map(costRow) : []),
    ...(isolation ? [isolationRow(isolation)] : []),
    ...(neighbours ? [neighboursRow(neighbours)] : []),
  ]
}

const timeRows = (time: NonNullable<Comparison['time']>, first: Compared): Row[] => [
  {
    name: 'Request to first output byte',
    cell: (level) => {
      const spread = time.levels[level]?.spansMs.requestToFirstOutput
      return spread && ms(spread.median)
    },
  },
  {
    name: 'Whole run',
    cell: (level) => {
      const { spansMs, ratios } = time.levels[level] ?? {}
      if (!spansMs?.whole) return undefined
      const note = ratios?.whole
        ? `${times(ratios.whole.median)} the time of a ${nameOf(first)}, pair by pair ${range(ratios.whole)}`
        : 'what others are compared with'
      return small(ms(spansMs.whole.median), note)
    },
  },
]

const memoryRow = (memory: NonNullable<Comparison['memory']>): Row => ({
  name: 'One more instance at rest',
  cell: (level) => {
    const further = memory.levels[level]?.further
    return (
      further &&
      small(
        mib(further.privateBytes.bytesPerInstance),
        `private; ${mib(further.proportionalBytes.bytesPerInstance)} with its share of shared pages`,
      )
    )
  },
})

const densityRow = (density: NonNullable<Comparison['density']>): Row => ({
  name: 'Would fit on this host, by memory alone',
  cell: (level) => {
    const value = density.levels[level]
    return value && small(count(value.fits), `extrapolated; ${count(value.measured)} really ran at once`)
  },
})

const COST_WORDS: Readonly<Record<CostOfWorkload['name'], string>> = {
  cpu: 'Computing, against the host',
  syscall: 'A system call, against the host',
  write: 'Writing, against the host',
  read: 'Reading, against the host',
}

const costRow = ({ name, levels }: CostOfWorkload): Row => ({
  name: COST_WORDS[name],
  cell: (level) => {
    const value = levels[level]
    return value && small(times(value.ratio.median), `sample by sample ${range(value.ratio)}`)
  },
})

const isolationRow = ({ findings }: NonNullable<Comparison['isolation']>): Row => ({
  name: 'Isolation probes as expected',
  cell: (level) => {
    const seen = findings.flatMap((finding) => finding.seen[level] ?? [])
    return seen.length === 0 ? undefined : `${seen.filter(({ asExpected }) => asExpected).length} of ${seen.length}`
  },
})

const neighboursRow = ({ trials }: NonNullable<Comparison['neighbours']>): Row => ({
  name: 'Attacks beside a neighbour, as expected',
  cell: (level) => {
    const outcomes = trials.flatMap(({ levels }) => {
      const outcome = levels[level]
      return outcome?.tried ? [outcome] : []
    })
    if (outcomes.length === 0) return undefined
    const asExpected = outcomes.filter(({ seen }) => seen.asExpected).length
    const survived = outcomes.filter((outcome) => outcome.survived).length
    return small(`${asExpected} of ${outcomes.length}`, `the neighbour survived ${survived} of ${outcomes.length}`)
  },
})
