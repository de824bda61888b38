/** From samples to what is said of them: one Measurement a question, with ratios pair by pair. */
import { spread } from '../compare/statistics.ts'
import type { Measurement, Unit } from './bench-result.ts'
import type { Taken } from './rounds.ts'

export interface Question {
  readonly id: string
  readonly title: string
  readonly unit: Unit
}

export interface Samples {
  readonly contender: string
  readonly samples: readonly number[]
}

/** @param reference name of the row that the others are divided by; none of it when it is not among them */
export function measurement({ id, title, unit }: Question, rows: readonly Samples[], reference: string): Measurement {
  const base = rows.find(({ contender }) => contender === reference)
  return {
    id,
    title,
    unit,
    reference: base ? reference : null,
    rows: rows.map(({ contender, samples }) => ({
      contender,
      samples,
      summary: spread(samples),
      ...(base && contender !== reference && isDivisible(samples, base.samples)
        ? { ratio: spread(pairs(samples, base.samples)) }
        : {}),
    })),
  }
}

/** A slope drowned in noise may come out negative: it is shown, but it is no part of anything. */
const isDivisible = (...lists: readonly (readonly number[])[]) =>
  lists.every((list) => list.every((value) => value > 0))

const pairs = (values: readonly number[], by: readonly number[]) => values.map((value, round) => value / by[round]!)

/** One measurement a question, of those who answered it in every round; a question that nobody answered is left out. */
export const measurements = (questions: readonly Question[], taken: readonly Taken[], reference: string) =>
  questions.flatMap((question): Measurement[] => {
    const rows = taken.flatMap(({ contender, values }): Samples[] => {
      const samples = values.map((one) => one[question.id]).filter((value) => value !== undefined)
      return samples.length > 0 && samples.length === values.length ? [{ contender: contender.name, samples }] : []
    })
    return rows.length === 0 ? [] : [measurement(question, rows, reference)]
  })
