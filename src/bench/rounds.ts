/**
 * Interleaving: every contender once a round, in an order shuffled anew for each, so that a machine that drifts drifts
 * under all of them and nobody always runs behind the same other. The first rounds warm up and do not count.
 */
import type { ContenderFacts, UnavailableContender } from './bench-result.ts'
import { ContenderRefused } from './contender.ts'

/** By name of the measurement. */
export type Values = Readonly<Record<string, number>>

export interface Entrant {
  readonly contender: ContenderFacts
  /** What a round that warms up answers does not count. */
  measure(warmingUp: boolean): Promise<Values>
}

export interface RoundOptions {
  readonly runs: number
  readonly warmups: number
  readonly seed: number
  readonly progress: (what: string) => void
}

export interface Taken {
  readonly contender: ContenderFacts
  /** One a counted round. */
  readonly values: readonly Values[]
}

/** One that fails is out, with its reason, and so is what it had done: a figure over fewer rounds is another figure. */
export async function interleave(
  entrants: readonly Entrant[],
  { runs, warmups, seed, progress }: RoundOptions,
): Promise<{ taken: readonly Taken[]; failed: readonly UnavailableContender[] }> {
  const taken = new Map(entrants.map((entrant) => [entrant, [] as Values[]]))
  const failed: UnavailableContender[] = []
  const random = seededRandom(seed)
  for (let round = 1 - warmups; round <= runs; round++) {
    progress(round < 1 ? 'warming up' : `round ${round} of ${runs}`)
    for (const entrant of shuffled([...taken.keys()], random)) {
      try {
        const values = await entrant.measure(round < 1)
        if (round >= 1) taken.get(entrant)!.push(values)
      } catch (error) {
        if (!(error instanceof ContenderRefused)) throw error
        const { name, kind } = entrant.contender
        failed.push({ name, kind, reason: round > 1 ? `in round ${round} ${error.message}` : error.message })
        taken.delete(entrant)
      }
    }
  }
  return { taken: [...taken].map(([{ contender }, values]) => ({ contender, values })), failed }
}

/** Fisher and Yates. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items]
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other]!, result[last]!]
  }
  return result
}

/** Numbers from 0 to 1 that are the same again for the same seed: Marsaglia's xorshift with 32 bits. */
export function seededRandom(seed: number): () => number {
  // Zero would stay zero; a multiplication first spreads small seeds over all bits.
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}
