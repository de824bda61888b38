/** What one more instance costs, and how starting fares as the number grows: from the series of each round. */
import { fitLine, type Point } from '../compare/slope.ts'
import { summarize } from '../compare/statistics.ts'
import type { GrowthPoint, GrowthSeries } from './bench-result.ts'
import type { Contender } from './contender.ts'
import { type GrowthCaps, grow } from './growth.ts'
import type { Question } from './measurement.ts'
import type { Entrant, Values } from './rounds.ts'

export const DENSITY_QUESTIONS: readonly Question[] = [
  { id: 'private-further', title: 'Private memory of one more instance', unit: 'bytes' },
  { id: 'proportional-further', title: 'Proportional memory of one more instance', unit: 'bytes' },
  { id: 'host-further', title: "The host's available memory that one more instance takes", unit: 'bytes' },
  { id: 'start-first', title: 'Start until at rest, the first instance', unit: 'ms' },
  { id: 'start-last', title: 'Start until at rest, median of the last quarter', unit: 'ms' },
]

export interface DensityOptions extends GrowthCaps {
  readonly abort: AbortSignal
  readonly progress: (what: string) => void
}

/** @param series gets every series, in the order in which they were measured */
export function densityEntrant(contender: Contender, series: GrowthSeries[], options: DensityOptions): Entrant {
  const { progress } = options
  return {
    contender,
    measure: async (warmingUp) => {
      const grown = await grow(contender, {
        ...options,
        // A single one fills the page cache and makes what is made once.
        ...(warmingUp ? { instances: 1 } : {}),
        progress: (count) => progress(`${count} x ${contender.name} at rest`),
      })
      if (warmingUp) return {}
      const round = series.filter((one) => one.contender === contender.name).length + 1
      series.push({ ...grown, round })
      return values(grown.points)
    },
  }
}

/** A slope needs two points. */
export function values(points: readonly GrowthPoint[]): Values {
  const starts = points.map(({ startMs }) => startMs)
  const lastQuarter = starts.slice(-Math.max(1, Math.floor(starts.length / 4)))
  const slopes: readonly (readonly [string, (point: GrowthPoint) => number | undefined])[] = [
    ['private-further', ({ privateBytes }) => privateBytes],
    ['proportional-further', ({ proportionalBytes }) => proportionalBytes],
    ['host-further', ({ availableBytes }) => -availableBytes],
  ]
  return Object.fromEntries([
    ['start-first', starts[0]!],
    ['start-last', summarize(lastQuarter).median],
    ...slopes.flatMap(([id, pick]) => {
      const line = points.flatMap((point): Point[] => {
        const bytes = pick(point)
        return bytes === undefined ? [] : [{ instances: point.instances, bytes }]
      })
      return line.length < 2 ? [] : [[id, fitLine(line).bytesPerInstance] as const]
    }),
  ])
}
