/** What a neighbour of the same level feels when an instance beside it misbehaves. */
import type {
  Attack,
  AttackNotTried,
  Comparison,
  NeighbourComparison,
  NeighbourOutcome,
  NeighbourTrial,
} from '../compare/comparison.ts'
import { framed, table } from './figure.ts'
import { type Html, html, type Piece } from './html.ts'
import { entries } from './levels.ts'
import type { Look } from './look.ts'
import type { Section } from './page.ts'
import { drawRatePlot, percentOf } from './rate-plot.ts'
import { figure as digits, mib, ms } from './units.ts'
import { seenBesideExpected, verdict } from './verdict.ts'

export const ATTACK_WORDS: Readonly<Record<Attack, string>> = {
  forkBomb: 'Fork bomb',
  memoryHog: 'Memory hog',
  cpuHog: 'Processor hog',
  kernelCrash: 'Kernel crash',
}

const WHAT_TO_LOOK_FOR: Readonly<Record<Attack, string>> = {
  forkBomb:
    'A limit on processes must end the forking. While processors are shared a dip is fair; a neighbour that stops or does not come back was not protected.',
  memoryHog:
    'The attacker must meet its own limit, and must take nothing from the neighbour’s memory on the way there.',
  cpuHog: 'The attacker must get no more than its share: with free processors the neighbour should hardly notice.',
  kernelCrash: 'Nothing but the attacker’s own virtual machine may go down with it.',
}

export function neighboursSection(comparison: Comparison, { trials }: NeighbourComparison): Section {
  return {
    id: 'neighbours',
    title: 'Neighbours',
    body: [
      html`<p>Two instances of one level run beside each other. One counts how much of a steady work it gets done; the other attacks.</p>`,
      ...trials.map(({ attack, does, levels }) =>
        framed({
          id: `attack-${attack}`,
          title: `${ATTACK_WORDS[attack]}: ${does}`,
          pictures: html`<div class="several">${entries(comparison, levels).map(({ level, look, value }) =>
            trial(level, look, value, mostOf(comparison, levels)),
          )}</div>`,
          reading: `Each dot is the work that the neighbour got done since the dot before, in per cent of what it did before the attack (100 is undisturbed); the shaded time is the attack. Heavy lines: medians before, during, after. ${WHAT_TO_LOOK_FOR[attack]}`,
          table: table(
            'Work of the neighbour, units a second',
            ['level', 'before', 'during', 'after', 'neighbour', 'attacker'],
            entries(comparison, levels).map(({ level, value }) => [level, ...row(value)]),
          ),
        }),
      ),
    ],
  }
}

/** The plots of one attack share their axis. */
function mostOf(comparison: Comparison, levels: NeighbourTrial['levels']): number {
  const tried = entries(comparison, levels).flatMap(({ value }) => (value.tried ? [value] : []))
  return Math.max(1, ...tried.flatMap((outcome) => outcome.samples.map(({ rate }) => percentOf(outcome)(rate))))
}

function trial(level: string, look: Look, outcome: NeighbourOutcome | AttackNotTried, most: number): Html {
  if (!outcome.tried) return html`<div><h4>${level}</h4><p>Not tried: ${outcome.reason}</p></div>`
  const percent = percentOf(outcome)
  const words = (rate: number | null) => (rate === null ? 'no report' : `${digits(percent(rate))} %`)
  const { before, during, after } = outcome.rate
  const medians = `before ${words(before)}, during ${words(during)}, after ${words(after)}`
  return html`<div><h4>${level}</h4>
<div class="chart small" role="img" aria-label="${`Work of the neighbour in a ${level}: ${medians}`}">${drawRatePlot(outcome, look, most)}</div>
<p>${verdict(outcome.seen.asExpected)}: ${outcome.seen.text}</p></div>`
}

function row(outcome: NeighbourOutcome | AttackNotTried): Piece[] {
  if (!outcome.tried) return ['not tried', '', '', outcome.reason, '']
  const { rate, attacker, peak, survived, hostIntact, seen, expected, attackFromMs, attackToMs } = outcome
  const shown = (value: number | null) => (value === null ? 'no report' : digits(value))
  return [
    shown(rate.before),
    shown(rate.during),
    shown(rate.after),
    html`${survived ? 'survived' : 'did not survive'}; ${hostIntact ? 'the host has everything back' : 'something is left on the host'}<br>${seenBesideExpected(seen, expected)}`,
    `${attacker.endedByItself ? 'ended by itself' : 'had to be ended'} after ${ms(attackToMs - attackFromMs)}, status ${attacker.exitCode}; at most ${peak.processes} host processes with ${mib(peak.proportionalBytes)}. It said: ${attacker.said || 'nothing'}${attacker.report === '' ? '' : `. Cloister said: ${attacker.report}`}`,
  ]
}
