/** Spans that follow each other, end to end: a bar for each candidate, a numbered piece for each span. */
import { axisOption, rowAxis, scaleFor } from './axis.ts'
import type { Html } from './html.ts'
import { type Frame, INK, PAPER } from './look.ts'
import { drawSvg } from './svg.ts'

export interface SpanRow {
  readonly name: string
  readonly note: string
  /** One for each span; what a candidate does not have is zero. */
  readonly values: readonly number[]
}

export interface SpanPlot {
  readonly rows: readonly SpanRow[]
  readonly axis: string
  readonly format: (value: number) => string
}

export const spanColour = (index: number) => `var(--span-${(index % 5) + 1})`

export function drawSpanPlot({ rows, axis, format }: SpanPlot, frame: Frame): Html {
  const { fontSize, narrow, width } = frame
  const spans = Math.max(...rows.map(({ values }) => values.length))
  const scale = scaleFor(
    rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0)),
    { most: narrow ? 4 : 8, log: false },
  )
  const left = narrow ? 112 : 190
  const right = narrow ? 20 : 36
  const bottom = fontSize * 3.6
  const pixels = (value: number) => (value / scale.max) * (width - left - right)
  return drawSvg(
    {
      grid: { left, right, top: 8, bottom },
      xAxis: axisOption(scale, axis, frame),
      yAxis: rowAxis(rows, left, frame),
      series: Array.from({ length: spans }, (_, span) => ({
        type: 'bar',
        name: 'span',
        stack: 'spans',
        silent: true,
        barWidth: fontSize * 3.2,
        itemStyle: { color: spanColour(span), borderColor: PAPER, borderWidth: 2 },
        label: {
          show: true,
          color: INK,
          fontSize: fontSize * 0.94,
          formatter: ({ value }: { value: number }) => fitting(span, value, pixels(value) / fontSize, format),
        },
        data: rows.map(({ values }) => values[span] ?? 0),
      })),
    },
    { width, height: Math.round(8 + rows.length * fontSize * 4.4 + bottom) },
  )
}

/** As much of number and figure as the piece has room for; the list under the plot has all of it. */
function fitting(span: number, value: number, roomInEms: number, format: (value: number) => string): string {
  const number = String(span + 1)
  const figure = format(value)
  if (roomInEms > figure.length * 0.56 + 1) return `${number}\n${figure}`
  return roomInEms > 1 ? number : ''
}
