/** Plain bars with their figure written at the end; what has no limit goes through to the edge, in outline. */
import { axisOption, rowAxis, scaleFor } from './axis.ts'
import type { Html } from './html.ts'
import { type Frame, INK, type Look } from './look.ts'
import { drawSvg } from './svg.ts'

export interface BarRow {
  readonly group: string
  readonly name: string
  readonly look: Look
  /** null: without limit. */
  readonly value: number | null
  readonly text: string
}

export function drawBarPlot({ rows, axis }: { rows: readonly BarRow[]; axis: string }, frame: Frame): Html {
  const { fontSize, narrow, width } = frame
  const values = rows.map(({ value }) => value ?? 0)
  const scale = scaleFor([...values, Math.max(...values) * 1.2], { most: narrow ? 4 : 8, log: false })
  const left = narrow ? 150 : 330
  const bottom = fontSize * 3.6
  return drawSvg(
    {
      grid: { left, right: narrow ? 20 : 36, top: 8, bottom },
      xAxis: axisOption(scale, axis, frame),
      yAxis: rowAxis(
        rows.map(({ group, name }) => ({ name: group, note: name })),
        left,
        frame,
      ),
      series: [
        {
          type: 'bar',
          name: 'bar',
          silent: true,
          barWidth: fontSize * 1.8,
          data: rows.map(({ value, look, text }) => ({
            value: value ?? scale.max,
            itemStyle:
              value === null
                ? { color: 'none', borderColor: look.colour, borderWidth: 2, borderType: [6, 5] }
                : { color: look.colour },
            label: {
              show: true,
              formatter: () => text,
              position: value === null ? 'insideLeft' : 'right',
              color: INK,
              fontSize,
              distance: 8,
            },
          })),
        },
      ],
    },
    { width, height: Math.round(8 + rows.length * fontSize * 3.4 + bottom) },
  )
}
