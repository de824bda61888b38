/** Every measurement as a dot, a row for each candidate, with marks at minimum, median and 95th percentile. */
import { P95_LEAST_COUNT, summarize } from '../compare/statistics.ts'
import { axisOption, scaleFor } from './axis.ts'
import type { Html } from './html.ts'
import { type Frame, INK, type Look, RULE, SOFT, sizeOf } from './look.ts'
import { drawSvg, type Series } from './svg.ts'

export interface StripRow {
  readonly name: string
  readonly look: Look
  readonly values: readonly number[]
}

export interface StripGroup {
  /** None when there is only one group. */
  readonly title?: string
  readonly rows: readonly StripRow[]
}

export interface StripPlot {
  readonly groups: readonly StripGroup[]
  /** What the axis shows, with its unit. */
  readonly axis: string
  readonly format: (value: number) => string
  /** For the figures along the axis, when they are not plain numbers. */
  readonly tick?: (value: number) => string
  /** A value to compare with, and what it is. */
  readonly reference?: { readonly at: number; readonly name: string }
}

const LINE_EMS = 3

interface Line {
  readonly title?: string
  readonly row?: StripRow
}

export function drawStripPlot({ groups, axis, format, tick, reference }: StripPlot, frame: Frame): Html {
  const lines = groups.flatMap(({ title, rows }): Line[] => [
    ...(title === undefined ? [] : [{ title }]),
    ...rows.map((row) => ({ row })),
  ])
  const { fontSize, narrow, width } = frame
  const lineHeight = fontSize * LINE_EMS
  const values = lines.flatMap(({ row }) => row?.values ?? [])
  const scale = scaleFor([...values, ...(reference ? [reference.at] : [])], { most: narrow ? 4 : 8 })
  const left = narrow ? 118 : 210
  const top = reference ? fontSize * 2 : 8
  const bottom = fontSize * 3.6
  return drawSvg(
    {
      grid: { left, right: narrow ? 20 : 36, top, bottom },
      xAxis: {
        ...axisOption(scale, scale.log ? `${axis}, logarithmic` : axis, frame, tick),
        splitLine: { show: true, lineStyle: { color: RULE, opacity: 0.3 } },
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: lines.map((_, index) => index),
        axisTick: { show: false },
        axisLine: { show: false },
        splitLine: { show: false },
        axisLabel: {
          interval: 0,
          align: 'left',
          margin: left - 4,
          formatter: (value: string) => label(lines[Number(value)]!, format),
          rich: {
            title: { color: INK, fontSize, fontWeight: 700, padding: [fontSize, 0, 0, 0] },
            name: { color: INK, fontSize, lineHeight: fontSize * 1.3, padding: [0, 0, 0, narrow ? 4 : 14] },
            note: { color: SOFT, fontSize: fontSize * 0.88, padding: [0, 0, 0, narrow ? 4 : 14] },
          },
        },
      },
      series: [
        ...lines.flatMap(({ row }, index) => (row ? rowSeries(row, index, frame) : [])),
        ...(reference ? [referenceLine(reference, fontSize)] : []),
      ],
    },
    { width, height: Math.round(top + lines.length * lineHeight + bottom) },
  )
}

/** Braces are the markup of the library's labels. */
const plain = (text: string) => text.replace(/[{}|]/g, ' ')

function label({ title, row }: Line, format: (value: number) => string): string {
  if (!row) return `{title|${plain(title ?? '')}}`
  const note = row.values.length === 0 ? 'not measured' : `median ${format(summarize(row.values).median)}`
  return `{name|${plain(row.name)}}\n{note|${plain(note)}}`
}

function rowSeries({ look, values }: StripRow, line: number, { narrow, fontSize }: Frame): Series[] {
  const lineHeight = fontSize * LINE_EMS
  if (values.length === 0) return []
  const { count, min, median, p95, max } = summarize(values)
  return [
    {
      type: 'scatter',
      name: 'dots',
      symbol: look.symbol,
      symbolSize: sizeOf(look, narrow || values.length > 60 ? 7 : 11),
      itemStyle: { color: look.colour, opacity: 1 },
      silent: true,
      data: values.map((value, index) => ({
        value: [value, line],
        symbolOffset: [0, spread(index, values.length) * lineHeight * 0.26],
      })),
    },
    mark('median', median, line, { height: lineHeight * 0.74, lineWidth: narrow ? 3 : 4 }),
    mark('least', min, line, { height: lineHeight * 0.44, lineWidth: 2 }),
    mark('most', count < P95_LEAST_COUNT ? max : p95, line, { height: lineHeight * 0.44, lineWidth: 2 }),
  ]
}

/** Dots of one row lie beside each other, in an order that neighbours in time do not share; always the same. */
const spread = (index: number, length: number) => (length < 2 ? 0 : (((index * 0.618034) % 1) - 0.5) * 2)

function mark(
  name: string,
  value: number,
  line: number,
  { height, lineWidth }: { height: number; lineWidth: number },
): Series {
  return {
    type: 'custom',
    name,
    silent: true,
    z: 3,
    data: [[value, line]],
    renderItem: (_: unknown, api: { value(n: number): number; coord(at: number[]): number[] }) => {
      const [x, y] = api.coord([api.value(0), api.value(1)])
      return {
        type: 'line',
        shape: { x1: x, x2: x, y1: y! - height / 2, y2: y! + height / 2 },
        style: { stroke: INK, lineWidth, fill: 'none' },
      }
    },
  }
}

const referenceLine = ({ at, name }: { at: number; name: string }, fontSize: number): Series => ({
  type: 'scatter',
  name: 'reference',
  data: [],
  markLine: {
    silent: true,
    symbol: 'none',
    lineStyle: { color: RULE, width: 2, type: 'dashed' },
    label: { formatter: () => name, color: INK, fontSize, position: 'start' },
    data: [{ xAxis: at }],
  },
})
