/** Figures as people read them: three digits that count, a unit, and no more than was measured. */

const FIXED = Array.from(
  { length: 7 },
  (_, digits) => new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
)

/** `0.0123`, `1.23`, `12.3`, `123`, `12,300`. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return 'none'
  if (value === 0) return '0'
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))))
  return FIXED[digits]!.format(value)
}

/** Plain, for the ends of an axis: `0.05`, `20`, `1,000`. */
export const tick = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 6 })

export const count = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 0 })
export const times = (ratio: number) => `${figure(ratio)} ×`

export const MIB = 2 ** 20
export const GIB = 2 ** 30
export const mib = (bytes: number) => `${figure(bytes / MIB)} MiB`
export const gib = (bytes: number) => `${figure(bytes / GIB)} GiB`

/** Of nanoseconds, in the unit that leaves a readable figure. */
export function duration(ns: number): string {
  if (ns < 1e3) return `${figure(ns)} ns`
  if (ns < 1e6) return `${figure(ns / 1e3)} µs`
  if (ns < 1e9) return `${figure(ns / 1e6)} ms`
  return `${figure(ns / 1e9)} s`
}

/** Of milliseconds: `6.70 µs`, `295 ms`, `1.20 s`. */
export const ms = (value: number) => duration(value * 1e6)
