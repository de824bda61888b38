/** Axes with ticks on round figures, linear or logarithmic. */
import { type Frame, INK, RULE, SOFT } from './look.ts'
import { tick } from './units.ts'

export interface Scale {
  readonly log: boolean
  readonly min: number
  readonly max: number
  readonly ticks: readonly number[]
}

const NOTHING: Scale = { log: false, min: 0, max: 1, ticks: [0, 1] }

/** From this ratio of largest to smallest on, small values could not be told apart on a linear axis. */
const LOG_FROM = 8

/** More decades than this are a fault of the measurement, and no plot. */
const LOG_TO = 1e12

/** Nothing that is measured here is that small. */
const LEAST = 1e-12

/** Logarithmic where the values call for it. A linear axis has its zero: lengths on it can be compared. */
export function scaleFor(values: readonly number[], { most = 7, log }: { most?: number; log?: boolean } = {}): Scale {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  if (min > 0 && max / min < LOG_TO && (log ?? max / min >= LOG_FROM)) return logScale(min, max, most)
  // Of nothing, or of nothing but zeros, there is an axis all the same.
  return values.some((value) => Math.abs(value) > LEAST)
    ? linearScale(Math.min(0, min), Math.max(0, max), most)
    : NOTHING
}

function linearScale(min: number, max: number, most: number): Scale {
  const range = max - min
  const power = 10 ** Math.floor(Math.log10(range / most))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => range / candidate <= most)!
  const [first, last] = [Math.floor(min / step + 1e-9), Math.ceil(max / step - 1e-9)]
  const ticks = Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step)
  return { log: false, min: first * step, max: last * step, ticks }
}

function logScale(min: number, max: number, most: number): Scale {
  const low = min / 1.15
  const high = max * 1.15
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = decades(low, high).flatMap((power) => factors.map((factor) => factor * power))
    const inside = ticks.filter((value) => value >= low && value <= high)
    if (inside.length <= most || factors.length === 1) return { log: true, min: low, max: high, ticks: inside }
  }
  throw new Error('there is always a last choice of factors')
}

function decades(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low))
  const last = Math.ceil(Math.log10(high))
  return Array.from({ length: last - first + 1 }, (_, n) => Number(`1e${first + n}`))
}

/** The part of an ECharts axis that a scale decides. */
export function axisOption(scale: Scale, name: string, frame: Frame, format: (value: number) => string = tick) {
  return {
    type: scale.log ? 'log' : 'value',
    min: scale.min,
    max: scale.max,
    name,
    nameLocation: 'middle',
    nameGap: frame.fontSize * 2,
    nameTextStyle: { color: INK, fontSize: frame.fontSize },
    axisLabel: {
      color: SOFT,
      fontSize: frame.fontSize,
      customValues: scale.ticks,
      formatter: (value: number) => format(value),
      hideOverlap: true,
    },
    axisTick: { show: true, customValues: scale.ticks, lineStyle: { color: RULE } },
    axisLine: { show: true, lineStyle: { color: RULE } },
    splitLine: { show: false },
  }
}

/** An axis of rows, top down, each with a name and a smaller note in the room to the left of the plot. */
export function rowAxis(
  rows: readonly { readonly name: string; readonly note: string }[],
  left: number,
  { fontSize }: Frame,
) {
  return {
    type: 'category',
    inverse: true,
    data: rows.map((_, index) => index),
    axisTick: { show: false },
    axisLine: { show: false },
    axisLabel: {
      interval: 0,
      align: 'left',
      margin: left - 4,
      formatter: (value: string) => `{name|${rows[Number(value)]!.name}}\n{note|${rows[Number(value)]!.note}}`,
      rich: {
        name: { color: INK, fontSize, fontWeight: 700, lineHeight: fontSize * 1.4 },
        note: { color: SOFT, fontSize: fontSize * 0.88 },
      },
    },
  }
}
