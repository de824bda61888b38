/** Instances added one after another: the memory that the host had left for others, and whether starting got slower. */
import type { GrowthPoint, GrowthSeries, GrowthStop } from '../bench/bench-result.ts'
import { fitLine } from '../compare/slope.ts'
import { scaleFor } from './axis.ts'
import { figure, key, table } from './figure.ts'
import type { Piece } from './html.ts'
import { drawLinePlot, type Point } from './line-plot.ts'
import type { Frame, Look } from './look.ts'
import type { Section } from './page.ts'
import { count, MIB, mib, ms } from './units.ts'

const STOPPED_BY: Readonly<Record<GrowthStop, string>> = {
  instances: 'as many as were asked for',
  memory: 'the host’s memory was to be spared',
  time: 'the time for it was over',
  failure: 'one did not start',
}

export function growthSection(series: readonly GrowthSeries[], look: (name: string) => Look): Section {
  // Rounds are shuffled; on the page every contender has its place.
  const growth = [...series].sort((a, b) => a.round - b.round || a.contender.localeCompare(b.contender, 'en'))
  return { id: 'growth', title: 'One after another', body: [memoryFigure(growth, look), startFigure(growth, look)] }
}

const contendersOf = (growth: readonly GrowthSeries[]) => [...new Set(growth.map(({ contender }) => contender))]

/** Where it was counted. MemAvailable says the same with all the noise of the host in it: it is in the table. */
const taken = ({ points }: GrowthSeries): Point[] =>
  points.flatMap(({ instances, proportionalBytes }): Point[] =>
    proportionalBytes === undefined ? [] : [[instances, proportionalBytes / MIB]],
  )

const wholes = (growth: readonly GrowthSeries[]) => {
  const most = Math.max(1, ...growth.flatMap(({ points }) => points.map(({ instances }) => instances)))
  return ({ narrow }: Frame) => {
    const scale = scaleFor([most], { most: narrow ? 5 : 10, log: false })
    return { ...scale, ticks: scale.ticks.filter(Number.isInteger) }
  }
}

/** Through the points of all rounds; undefined where there are too few for a line. */
function lineThrough(points: readonly Point[]): { slopeMib: number; line: readonly Point[] } | undefined {
  const xs = points.map(([x]) => x)
  if (new Set(xs).size < 2) return undefined
  const { bytesPerInstance, interceptBytes } = fitLine(points.map(([instances, bytes]) => ({ instances, bytes })))
  const ends = [Math.min(...xs), Math.max(...xs)]
  return { slopeMib: bytesPerInstance, line: ends.map((x): Point => [x, interceptBytes + bytesPerInstance * x]) }
}

function memoryFigure(growth: readonly GrowthSeries[], look: (name: string) => Look) {
  const lines = contendersOf(growth).map((contender) => {
    const points = growth.filter((series) => series.contender === contender).flatMap(taken)
    return { contender, points, through: lineThrough(points) }
  })
  const slope = ({ through }: (typeof lines)[number]) =>
    through ? `${mib(through.slopeMib * MIB)} for each further one` : 'too few for a line'
  return figure({
    id: 'growth-memory',
    title: 'Memory of all instances together',
    description: lines.map((line) => `${line.contender}: ${slope(line)}`).join('; '),
    draw: (frame) =>
      drawLinePlot(
        {
          x: { name: 'instances at rest', scale: wholes(growth) },
          y: {
            name: 'MiB in all, proportional',
            scale: () => scaleFor([1, ...lines.flatMap(({ points }) => points.map(([, y]) => y))], { log: false }),
          },
          lines: lines.map(({ contender, points, through }) => ({
            look: look(contender),
            points,
            ...(through ? { fit: through.line } : {}),
          })),
        },
        frame,
      ),
    key: key(lines.map((line) => ({ name: `${line.contender}: ${slope(line)}`, look: look(line.contender) }))),
    reading:
      'How steep a line is, is what one more instance costs; where it begins does not matter. Memory is counted in all processes of all instances, pages that several share in equal parts to each; kernel memory is not in it. The points of all rounds are shown, with one line through them.',
    table: table(
      'Every point',
      ['contender', 'round', 'instances', 'host had left', 'private', 'proportional'],
      growth.flatMap(({ contender, round, points }) =>
        points.map((point): Piece[] => [
          contender,
          round,
          point.instances,
          mib(point.availableBytes),
          ...counted(point),
        ]),
      ),
    ),
  })
}

const counted = ({ privateBytes, proportionalBytes }: GrowthPoint) =>
  [privateBytes, proportionalBytes].map((bytes) => (bytes === undefined ? 'not counted here' : mib(bytes)))

function startFigure(growth: readonly GrowthSeries[], look: (name: string) => Look) {
  const contenders = contendersOf(growth)
  const points = (contender: string) =>
    growth
      .filter((series) => series.contender === contender)
      .flatMap((series) => series.points.map(({ instances, startMs }): Point => [instances, startMs]))
  return figure({
    id: 'growth-start',
    title: 'Does starting get slower as they become more?',
    description: contenders.map((contender) => `${contender}: ${points(contender).length} starts`).join('; '),
    draw: (frame) =>
      drawLinePlot(
        {
          x: { name: 'instances at rest, the new one included', scale: wholes(growth) },
          y: {
            name: 'milliseconds until it rests',
            scale: () => scaleFor(contenders.flatMap((contender) => points(contender).map(([, y]) => y))),
          },
          lines: contenders.map((contender) => ({ look: look(contender), points: points(contender) })),
        },
        frame,
      ),
    key: key(contenders.map((contender) => ({ name: contender, look: look(contender) }))),
    reading:
      'Each shape is one start, in milliseconds from the request until the instance rests. A cloud that stays level says that instances do not get in each other’s way when they start; one that rises says what it costs to have many.',
    table: table(
      'How far each went',
      ['contender', 'round', 'instances', 'slowest start', 'stopped because'],
      growth.map(({ contender, round, points: starts, stoppedBy, reason }) => [
        contender,
        round,
        count(starts.length),
        starts.length === 0 ? 'none' : ms(Math.max(...starts.map(({ startMs }) => startMs))),
        `${STOPPED_BY[stoppedBy]}${reason === undefined ? '' : `: ${reason}`}`,
      ]),
    ),
  })
}
