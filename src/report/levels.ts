/** The levels of a comparison with their looks, in the order in which they were asked for. */
import type { Comparison, PerLevel } from '../compare/comparison.ts'
import { ISOLATION_LEVELS, type Isolation } from '../instance/run-spec.ts'
import { type Look, lookOf } from './look.ts'

export const lookOfLevel = (level: Isolation): Look => lookOf(ISOLATION_LEVELS.indexOf(level))

/** What there is for each level that has any. */
export const entries = <T>({ levels }: Comparison, values: PerLevel<T>): { level: Isolation; look: Look; value: T }[] =>
  levels.flatMap((level) => {
    const value = values[level]
    return value === undefined ? [] : [{ level, look: lookOfLevel(level), value }]
  })
