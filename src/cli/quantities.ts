/** Sizes and durations as people type them: `128M`, `1.5G`, `500ms`, `2m`. Both end as exact, bounded numbers. */
import { UsageError } from '../errors.ts'

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000 }

/** Longer than this and a timer of Node would overflow and fire at once. */
const LONGEST_DURATION_MS = 2 ** 31 - 1

/** Bytes. K, M, G and T are binary; a bare number is bytes. */
export function parseSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([bkmgt]?)$/i.exec(text)
  const bytes = Math.round(Number(match?.[1]) * (SIZE_UNITS[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN))
  if (!Number.isSafeInteger(bytes)) {
    throw new UsageError(`Cannot read "${text}" as a size.`, { hint: 'Write a number with K, M or G: 64M, 1.5G.' })
  }
  return bytes
}

/** Milliseconds. A bare number is seconds, as `timeout` and `sleep` have it. */
export function parseDurationMs(text: string): number {
  const ms = durationMs(text)
  if (!Number.isSafeInteger(ms) || ms === 0 || ms > LONGEST_DURATION_MS) {
    throw new UsageError(`Cannot read "${text}" as a duration between 1 ms and 24 days.`, {
      hint: 'Write a number with ms, s, m or h: 500ms, 2s, 1.5m.',
    })
  }
  return ms
}

/** NaN for what is no duration. */
function durationMs(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|)$/.exec(text)
  return Math.ceil(Number(match?.[1]) * (DURATION_UNITS_MS[match?.[2] ?? ''] ?? Number.NaN))
}

/** RFC 3339, of which the time and the zone may be left out. */
const DATE = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/

/** A moment: so long ago, or a date. */
export function parseMoment(text: string, now = Date.now()): Date {
  const date = DATE.test(text) ? new Date(text) : new Date(now - durationMs(text))
  if (!Number.isNaN(date.getTime())) return date
  throw new UsageError(`Cannot read "${text}" as a moment.`, {
    hint: 'Write how long ago (10m, 2h), or a date: 2026-11-22T08:00:00Z.',
  })
}

export function parseWhole(text: string, { what, min, max }: { what: string; min: number; max: number }): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new UsageError(`Cannot use "${text}" as ${what}: it must be a whole number from ${min} to ${max}.`)
  }
  return value
}

/** The shortest exact way to write a size: 134217728 is `128M`. */
export function formatSize(bytes: number): string {
  for (const [unit, letter] of [
    [2 ** 30, 'G'],
    [2 ** 20, 'M'],
    [2 ** 10, 'K'],
  ] as const) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${letter}`
  }
  return `${bytes}`
}
