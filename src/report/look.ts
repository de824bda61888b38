/**
 * Colours and shapes. The hues are those of Okabe and Ito, told apart with every common kind of colour vision, darkened
 * or lightened until text in them has contrast; a shape goes with each, so that colour never stands alone.
 */
export interface Look {
  /** A CSS colour: style.ts defines the variables for light and dark. */
  readonly colour: string
  readonly symbol: string
}

export const LOOKS: readonly Look[] = [
  { colour: 'var(--hue-1)', symbol: 'circle' },
  { colour: 'var(--hue-2)', symbol: 'diamond' },
  { colour: 'var(--hue-3)', symbol: 'triangle' },
  { colour: 'var(--hue-4)', symbol: 'rect' },
  { colour: 'var(--hue-5)', symbol: 'circle' },
  { colour: 'var(--hue-6)', symbol: 'diamond' },
]

export const lookOf = (index: number) => LOOKS[index % LOOKS.length]!

/** As wide as a circle, a diamond looks smaller. */
const WIDTHS: Readonly<Record<string, number>> = { diamond: 1.35, triangle: 1.15 }
export const sizeOf = ({ symbol }: Look, circle: number) => circle * (WIDTHS[symbol] ?? 1)

export const INK = 'var(--ink)'
export const SOFT = 'var(--soft)'
export const RULE = 'var(--rule)'
export const PAPER = 'var(--paper)'

/** Every chart is drawn twice, for a wide and for a narrow page; the page shows the one that can be read. */
export interface Frame {
  readonly width: number
  readonly narrow: boolean
  readonly fontSize: number
}

export const FRAMES: readonly Frame[] = [
  { width: 1080, narrow: false, fontSize: 17 },
  { width: 430, narrow: true, fontSize: 14 },
]
