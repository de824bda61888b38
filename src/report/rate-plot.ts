/** What a neighbour gets done, second by second, before, while and after something beside it misbehaves. */
import type { NeighbourOutcome } from '../compare/comparison.ts'
import { axisOption, scaleFor } from './axis.ts'
import type { Html } from './html.ts'
import { type Frame, INK, type Look, sizeOf } from './look.ts'
import { drawSvg, type Series } from './svg.ts'

/** Small: several stand beside each other, and each can be read on a narrow page as it is. */
const FRAME: Frame = { width: 480, narrow: true, fontSize: 15 }

/** In per cent of the rate before where there is one; the most that one of several plots shows is given, so that they share an axis. */
export function drawRatePlot(outcome: NeighbourOutcome, look: Look, most: number): Html {
  const { samples, rate, attackFromMs, attackToMs } = outcome
  const percent = percentOf(outcome)
  const end = Math.max(attackToMs, ...samples.map(({ atMs }) => atMs)) / 1000
  const [from, to] = [attackFromMs / 1000, attackToMs / 1000]
  const level = (value: number | null, x1: number, x2: number): Series[] =>
    value === null
      ? []
      : [
          {
            type: 'line',
            name: 'level',
            silent: true,
            showSymbol: false,
            z: 4,
            lineStyle: { color: INK, width: 3 },
            data: [
              [x1, percent(value)],
              [x2, percent(value)],
            ],
          },
        ]
  const points = samples.map((sample) => [sample.atMs / 1000, percent(sample.rate)])
  const yScale = scaleFor([most], { most: 5, log: false })
  const xScale = scaleFor([end], { most: 6, log: false })
  return drawSvg(
    {
      grid: { left: 56, right: 20, top: 34, bottom: 52 },
      xAxis: axisOption({ ...xScale, max: end }, 'seconds', FRAME),
      yAxis: {
        ...axisOption(yScale, '', FRAME),
        name: rate.before === null ? 'work units per second' : '% of the rate before',
        nameLocation: 'end',
        nameGap: 14,
        nameTextStyle: { color: INK, fontSize: FRAME.fontSize, align: 'left', padding: [0, 0, 0, -48] },
      },
      series: [
        {
          type: 'scatter',
          name: 'dots',
          silent: true,
          symbol: look.symbol,
          symbolSize: sizeOf(look, 8),
          itemStyle: { color: look.colour, opacity: 1 },
          data: points,
        },
        {
          type: 'line',
          name: 'rate',
          silent: true,
          showSymbol: false,
          lineStyle: { color: look.colour, width: 2 },
          data: points,
          markArea: {
            silent: true,
            itemStyle: { color: 'var(--band)' },
            label: { show: true, position: 'insideTop', color: INK, fontSize: FRAME.fontSize },
            data: [[{ xAxis: from, name: 'attack' }, { xAxis: to }]],
          },
        },
        ...level(rate.before, samples[0] ? Math.min(samples[0].atMs / 1000, from) : 0, from),
        ...level(rate.during, from, to),
        ...level(rate.after, to, end),
      ],
    },
    { width: FRAME.width, height: 250 },
  )
}

export function percentOf({ rate: { before } }: NeighbourOutcome): (rate: number) => number {
  return (rate) => (before ? (rate / before) * 100 : rate)
}
