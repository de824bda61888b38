/** The levels of a comparison with their looks, in the order in which they were asked for. */
import { COMPARED, type Compared, nameOf } from '../compare/compared.ts'
import type { Comparison, PerLevel } from '../compare/comparison.ts'
import { type Look, lookOf } from './look.ts'

export const lookOfLevel = (level: Compared): Look => lookOf(COMPARED.indexOf(level))

export interface LevelEntry<T> {
  /** What people read. */
  readonly level: string
  readonly look: Look
  readonly value: T
}

/** What there is for each level that has any. */
export const entries = <T>({ levels }: Comparison, values: PerLevel<T>): LevelEntry<T>[] =>
  levels.flatMap((level) => {
    const value = values[level]
    return value === undefined ? [] : [{ level: nameOf(level), look: lookOfLevel(level), value }]
  })
