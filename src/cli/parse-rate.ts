/** Rates at the end of an option's value: `:bps=10M` for bytes a second, `:iops=1000` for operations or frames. */
import { UsageError } from '../errors.ts'
import type { RateSpec } from '../instance/run-spec.ts'
import { parseSize } from './quantities.ts'

const WORDS = { bps: 'bytesPerSecond', iops: 'operationsPerSecond' } as const
const RATE = /^(?<rest>.*):(?<word>bps|iops)=(?<value>[^:]*)$/s

/** @returns the value without its rates. @throws UsageError */
export function splitRate(text: string): { readonly rest: string; readonly rate?: RateSpec } {
  let rest = text
  const rate: { -readonly [key in keyof RateSpec]: RateSpec[key] } = {}
  for (let found = RATE.exec(rest)?.groups; found; found = RATE.exec(rest)?.groups) {
    const { word, value } = found as { word: keyof typeof WORDS; value: string }
    if (rate[WORDS[word]] !== undefined) throw new UsageError(`Cannot read "${text}": it says ${word} twice.`)
    rate[WORDS[word]] = parseRate(word, value)
    rest = found.rest!
  }
  return rest === text ? { rest } : { rest, rate }
}

function parseRate(word: keyof typeof WORDS, value: string): number {
  try {
    const rate = parseSize(value)
    if (rate > 0) return rate
  } catch {
    // said below, in the words of a rate
  }
  throw new UsageError(`Cannot use "${word}=${value}" as a rate: it must be more than none a second.`, {
    hint: 'Write bps=10M for 10 MiB a second, iops=1000 for a thousand operations a second.',
  })
}
