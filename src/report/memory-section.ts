/** What one more instance costs, and how many would fit: measured as far as was started, a line beyond. */
import type {
  Comparison,
  DensityComparison,
  DensityOfLevel,
  MemoryComparison,
  MemoryOfLevel,
  MemoryPoint,
  Slope,
} from '../compare/comparison.ts'
import { scaleFor } from './axis.ts'
import { figure, key, table } from './figure.ts'
import { html, type Piece } from './html.ts'
import { entries } from './levels.ts'
import { drawLinePlot, type Point } from './line-plot.ts'
import type { Frame } from './look.ts'
import type { Section } from './page.ts'
import { count, GIB, gib, MIB, mib } from './units.ts'

const at = ({ bytesPerInstance, interceptBytes }: Slope, instances: number) =>
  interceptBytes + bytesPerInstance * instances
const uncertain = ({ bytesPerInstance, standardErrorBytes }: Slope): Piece =>
  standardErrorBytes === null ? mib(bytesPerInstance) : `${mib(bytesPerInstance)} ± ${mib(2 * standardErrorBytes)}`

const pointRows = (level: string, points: readonly MemoryPoint[]): Piece[][] =>
  points.map(({ instances, privateBytes, proportionalBytes, hostBytes, processes }) => [
    level,
    instances,
    mib(privateBytes),
    mib(proportionalBytes),
    mib(hostBytes),
    processes,
  ])
const POINT_HEAD = ['level', 'instances', 'private', 'proportional', 'MemAvailable fell by', 'host processes']

export function memorySection(comparison: Comparison, { hostNoiseBytes, levels: byLevel }: MemoryComparison): Section {
  const levels = entries(comparison, byLevel)
  const furthest = ({ points }: MemoryOfLevel) => Math.max(1, ...points.map(({ instances }) => instances))
  const most = Math.max(1, ...levels.map(({ value }) => furthest(value)))
  const line = (slope: Slope, value: MemoryOfLevel): Point[] =>
    [0, furthest(value)].map((instances) => [instances, Math.max(0, at(slope, instances)) / MIB])
  const measured = (value: MemoryOfLevel, pick: (point: MemoryPoint) => number) =>
    value.points.map((point): Point => [point.instances, pick(point) / MIB])
  const largest = levels.flatMap(({ value }) => [
    ...value.points.map(({ proportionalBytes }) => proportionalBytes / MIB),
    at(value.further.proportionalBytes, furthest(value)) / MIB,
  ])
  return {
    id: 'memory',
    title: 'Memory',
    body: [
      html`<p>Instances at rest, started one after another and counted on the host; each was allowed ${mib(comparison.memoryBytes)}.</p>`,
      figure({
        id: 'memory-plot',
        title: 'What one more instance costs',
        description: levels
          .map(
            ({ level, value }) =>
              `${level}: ${mib(value.further.proportionalBytes.bytesPerInstance)} more for each further instance`,
          )
          .join('; '),
        draw: (frame) =>
          drawLinePlot(
            {
              x: { name: 'instances at rest', scale: wholes(most) },
              y: { name: 'MiB in all', scale: () => scaleFor(largest, { log: false }) },
              lines: levels.flatMap(({ look, value }) => [
                {
                  look,
                  points: measured(value, (point) => point.privateBytes),
                  fit: line(value.further.privateBytes, value),
                },
                {
                  look,
                  hollow: true,
                  points: measured(value, (point) => point.proportionalBytes),
                  fit: line(value.further.proportionalBytes, value),
                },
              ]),
            },
            frame,
          ),
        key: key(
          levels.flatMap(({ level, look, value }) => [
            { name: `${level}, private: ${mib(value.further.privateBytes.bytesPerInstance)} each`, look },
            {
              name: `${level}, proportional: ${mib(value.further.proportionalBytes.bytesPerInstance)} each`,
              look,
              hollow: true,
            },
          ]),
        ),
        reading: html`How steep a line is, is what one more instance costs; where it begins does not matter. <em>Private</em> pages belong to one process only; <em>proportional</em> counts pages that several share in equal parts to each. Neither has what the kernel itself keeps for an instance (page tables, control groups); the host’s own view, in the table, has it, but wandered by ${mib(hostNoiseBytes)} while nothing was started.`,
        table: html`${table(
          'One more instance, with two standard errors',
          ['level', 'private', 'proportional', 'MemAvailable', 'host processes'],
          levels.map(({ level, value: { further, processesPerInstance } }) => [
            level,
            uncertain(further.privateBytes),
            uncertain(further.proportionalBytes),
            uncertain(further.hostBytes),
            processesPerInstance,
          ]),
        )}${table(
          'Every point',
          POINT_HEAD,
          levels.flatMap(({ level, value }) => pointRows(level, value.points)),
        )}`,
      }),
    ],
  }
}

/** Instances come in wholes. */
const wholes = (most: number) => (frame: Frame) => {
  const scale = scaleFor([most], { most: frame.narrow ? 5 : 10, log: false })
  return { ...scale, ticks: scale.ticks.filter(Number.isInteger) }
}

const STOPPED_BY: Readonly<Record<DensityOfLevel['stoppedBy'], string>> = {
  slope: 'the slope was known well enough',
  count: 'as many as were asked for',
  time: 'the time for it was over',
  memory: 'the host’s memory was to be spared',
}

export function densitySection(comparison: Comparison, density: DensityComparison): Section {
  const { availableBytes, reserveBytes, levels: byLevel } = density
  const levels = entries(comparison, byLevel)
  const room = availableBytes - reserveBytes
  const bytesOf = ({ basis }: DensityOfLevel, point: MemoryPoint) =>
    basis === 'host' ? point.hostBytes : point.proportionalBytes
  const shown = (value: DensityOfLevel): Point[] =>
    value.points.map((point): Point => [bytesOf(value, point) / GIB, point.instances])
  return {
    id: 'density',
    title: 'Density',
    body: figure({
      id: 'density-plot',
      title: `How many would fit in ${gib(room)}`,
      description: levels
        .map(({ level, value }) => `${level}: ${count(value.measured)} ran at once, ${count(value.fits)} extrapolated`)
        .join('; '),
      draw: (frame) =>
        drawLinePlot(
          {
            x: {
              name: 'GiB taken',
              scale: ({ narrow }) => scaleFor([room / GIB], { log: false, most: narrow ? 5 : 10 }),
            },
            y: {
              name: 'instances at once',
              scale: () =>
                scaleFor(
                  levels.map(({ value }) => value.fitsHigh),
                  { log: false },
                ),
            },
            lines: levels.map(({ look, value }) => {
              const points = shown(value)
              const last = points.at(-1)
              return {
                look,
                points,
                ...(last ? { extrapolated: [last, [room / GIB, value.fits] as const] } : {}),
                uncertain: [
                  [room / GIB, value.fitsLow],
                  [room / GIB, value.fitsHigh],
                ] as const,
              }
            }),
          },
          frame,
        ),
      key: key(
        levels.map(({ level, look, value }) => ({
          name: `${level}: ${count(value.measured)} measured, ${count(value.fits)} would fit (${count(value.fitsLow)} to ${count(value.fitsHigh)})`,
          look,
        })),
      ),
      reading: html`Steeper is better: more instances in the same memory. The shapes near the corner were measured: that many ran at once and took that much. Dashed lines go on with the measured slope up to all memory that was available (${gib(availableBytes)}) less ${gib(reserveBytes)} kept free; the thick stroke at the end is where they would come out with a slope two standard errors larger or smaller. How far the dashed part reaches beyond the shapes is how much of this is not measured. It is by memory alone: nothing says that the host would still answer.`,
      table: html`${table(
        'By level',
        ['level', 'ran at once', 'stopped because', 'a further one takes', 'would fit', 'at least', 'at most'],
        levels.map(({ level, value }) => [
          level,
          count(value.measured),
          STOPPED_BY[value.stoppedBy],
          html`${uncertain(value.slope)}, ${value.basis === 'host' ? 'as the host sees it' : 'its proportional share'}`,
          count(value.fits),
          count(value.fitsLow),
          count(value.fitsHigh),
        ]),
      )}${table(
        'Every point',
        POINT_HEAD,
        levels.flatMap(({ level, value }) => pointRows(level, value.points)),
      )}`,
    }),
  }
}
