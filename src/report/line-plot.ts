/** Measured points and the straight line through them, as far as it was measured and, dashed, beyond. */
import { axisOption, type Scale } from './axis.ts'
import type { Html } from './html.ts'
import { type Frame, type Look, PAPER, RULE, sizeOf } from './look.ts'
import { drawSvg, type Series } from './svg.ts'

export type Point = readonly [x: number, y: number]

export interface LineOfPlot {
  readonly look: Look
  /** Measured. */
  readonly points: readonly Point[]
  readonly hollow?: boolean
  /** Drawn through the points. */
  readonly fit?: readonly Point[]
  /** Not measured: dashed. */
  readonly extrapolated?: readonly Point[]
  /** From one point to another: how uncertain the end of the line is. */
  readonly uncertain?: readonly [Point, Point]
}

export interface LinePlot {
  readonly x: { readonly scale: (frame: Frame) => Scale; readonly name: string }
  readonly y: {
    readonly scale: (frame: Frame) => Scale
    readonly name: string
    readonly format?: (value: number) => string
  }
  readonly lines: readonly LineOfPlot[]
}

export function drawLinePlot({ x, y, lines }: LinePlot, frame: Frame): Html {
  const { fontSize, narrow, width } = frame
  const yAxis = axisOption(y.scale(frame), '', frame, y.format)
  return drawSvg(
    {
      grid: { left: narrow ? 64 : 96, right: narrow ? 22 : 48, top: fontSize * 2.4, bottom: fontSize * 3.6 },
      xAxis: axisOption(x.scale(frame), x.name, frame),
      yAxis: {
        ...yAxis,
        name: y.name,
        nameLocation: 'end',
        nameGap: fontSize,
        nameTextStyle: { ...yAxis.nameTextStyle, align: 'left', padding: [0, 0, 0, narrow ? -56 : -88] },
        splitLine: { show: true, lineStyle: { color: RULE, opacity: 0.35 } },
      },
      series: lines.flatMap(seriesOf),
    },
    { width, height: narrow ? 330 : 460 },
  )
}

function seriesOf({ look, points, hollow, fit, extrapolated, uncertain }: LineOfPlot): Series[] {
  const line = (name: string, data: readonly Point[], lineStyle: object): Series => ({
    type: 'line',
    name,
    silent: true,
    showSymbol: false,
    lineStyle: { color: look.colour, width: 3, ...lineStyle },
    data,
  })
  return [
    ...(fit ? [line('fit', fit, hollow ? { type: [2, 5], cap: 'round' } : {})] : []),
    ...(extrapolated ? [line('extrapolated', extrapolated, { type: [10, 8] })] : []),
    ...(uncertain ? [line('uncertain', uncertain, { width: 9, opacity: 0.5 })] : []),
    {
      type: 'scatter',
      name: 'dots',
      silent: true,
      symbol: look.symbol,
      symbolSize: sizeOf(look, 13),
      itemStyle: {
        opacity: 1,
        ...(hollow ? { color: PAPER, borderColor: look.colour, borderWidth: 2.5 } : { color: look.colour }),
      },
      data: points,
    },
  ]
}
