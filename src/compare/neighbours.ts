/**
 * What a bad neighbour does to a good one of the same level: its rate of work before, during and after each attack.
 */

import { availableParallelism } from 'node:os'
import { HostError } from '../errors.ts'
import { attack } from './attacker.ts'
import { ATTACK_ROWS, type AttackRow } from './attacks.ts'
import { type Compared, isolationOf, nameOf } from './compared.ts'
import type { AttackNotTried, NeighbourComparison, NeighbourOutcome, RateSample } from './comparison.ts'
import { reserveBytes } from './growth.ts'
import { startNeighbour } from './neighbour.ts'
import { availableBytes } from './process-memory.ts'
import { pause } from './resting.ts'
import type { Session } from './session.ts'
import { summarize } from './statistics.ts'

const BEFORE_MS = 700
const ATTACK_MS = 1500
const AFTER_MS = 700
/** The memory hog stops at three times the memory of its instance (attack.c), and its neighbour has some too. */
const HOG_MOST = 4
/** A neighbour that says nothing for so long after the attack did not survive it. */
const SILENCE_MS = 3000
/** Of its fair share: what a neighbour keeps, though the attacker also starts and ends beside it. */
const SHARE_KEPT = 0.5

/** @throws HostError where an attacker without limits would harm the host */
export async function measureNeighbours(session: Session): Promise<NeighbourComparison> {
  if (availableBytes() - reserveBytes() < HOG_MOST * session.memoryBytes) {
    throw new HostError('Cannot let attackers loose: too little memory would be free if their limits failed.', {
      hint: 'Give each instance less with --memory, or leave the neighbours out with --only.',
    })
  }
  const trials: { row: AttackRow; levels: Partial<Record<Compared, NeighbourOutcome | AttackNotTried>> }[] = []
  for (const row of ATTACK_ROWS) {
    const levels: Partial<Record<Compared, NeighbourOutcome | AttackNotTried>> = {}
    for (const level of session.levels) levels[level] = await tryAttack(level, row, session)
    trials.push({ row, levels })
  }
  return { trials: trials.map(({ row: { attack, does }, levels }) => ({ attack, does, levels })) }
}

async function tryAttack(
  level: Compared,
  row: AttackRow,
  session: Session,
): Promise<NeighbourOutcome | AttackNotTried> {
  const expected = row.expected[isolationOf(level)]
  if (typeof expected !== 'string') return { tried: false, reason: expected.notTried }
  session.progress('neighbours', `${row.attack} beside a ${nameOf(level)}`)
  const neighbour = await startNeighbour(level, session)
  try {
    await pause(BEFORE_MS, session.abort)
    const attackFromMs = neighbour.now()
    const { attacker, peak, contained } = await attack(level, row, ATTACK_MS, session)
    const attackToMs = neighbour.now()
    await pause(AFTER_MS, session.abort)
    const survived = await neighbour.reports(SILENCE_MS)
    const rate = ratesOf(neighbour.samples, attackFromMs, attackToMs)
    const ended = row.ended[isolationOf(level)](attacker.exitCode, attacker.said)
    const unharmed = survived && contained && keptItsShare(rate)
    return {
      tried: true,
      samples: [...neighbour.samples],
      attackFromMs,
      attackToMs,
      rate,
      survived,
      hostIntact: contained,
      peak,
      attacker,
      expected: `${expected}; the neighbour keeps half of its fair share at least`,
      seen: { text: words(attacker, rate, survived, contained), asExpected: unharmed && ended },
    }
  } finally {
    await neighbour.end()
    session.abort.throwIfAborted()
  }
}

type Rates = NeighbourOutcome['rate']

/** A report belongs to the phase in which all of its interval lies. */
export function ratesOf(samples: readonly RateSample[], fromMs: number, toMs: number): Rates {
  const within = (from: number, to: number) => {
    const rates = samples.flatMap(({ atMs, rate }, index) => {
      const began = samples[index - 1]?.atMs
      return began !== undefined && began >= from && atMs <= to ? [rate] : []
    })
    return rates.length === 0 ? null : summarize(rates).median
  }
  return { before: within(0, fromMs), during: within(fromMs, toMs), after: within(toMs, Number.POSITIVE_INFINITY) }
}

/** Two that want a processor each. */
const fairShare = () => Math.min(1, availableParallelism() / 2)

const keptItsShare = ({ before, during, after }: Rates) => {
  if (before === null || during === null || after === null) return false
  return during >= before * fairShare() * SHARE_KEPT && after >= before * SHARE_KEPT
}

function words(
  { said, report, exitCode }: NeighbourOutcome['attacker'],
  rate: Rates,
  survived: boolean,
  contained: boolean,
) {
  const kept =
    rate.before === null || rate.during === null ? 'no rate' : `${Math.round((rate.during / rate.before) * 100)} %`
  const parts = [
    `attacker: ${report || said || 'no word'}, status ${exitCode}`,
    survived ? `neighbour: ${kept} of its rate during it` : 'the neighbour did not survive',
    ...(contained ? [] : ['the attacker left its limits, or something behind']),
  ]
  return parts.join('; ')
}
