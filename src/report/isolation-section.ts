/** What a program sees of its host from inside, and how many system calls of the host can be reached. */

import { isolationOf, nameOf } from '../compare/compared.ts'
import type { CallsOfParty, Comparison, IsolationComparison, SystemCallSurface } from '../compare/comparison.ts'
import { type BarRow, drawBarPlot } from './bar-plot.ts'
import { figure, table } from './figure.ts'
import { type Html, html, type Piece } from './html.ts'
import { entries } from './levels.ts'
import type { Look } from './look.ts'
import type { Section } from './page.ts'
import { count, ms } from './units.ts'
import { seenBesideExpected } from './verdict.ts'

export function isolationSection(comparison: Comparison, { findings, systemCalls }: IsolationComparison): Section {
  const levels = comparison.levels.filter((level) => findings.some(({ seen }) => seen[level] !== undefined))
  const surfaces = entries(comparison, systemCalls)
  return {
    id: 'isolation',
    title: 'Isolation',
    body: [
      html`<p>A probe ran inside each level and reported what it saw. Beside it stands what that level promises.</p>`,
      table(
        'Seen from inside',
        ['question', ...levels.map(nameOf)],
        findings.map(({ question, expected, seen }) => [
          question,
          ...levels.map((level) => seenBesideExpected(seen[level], expected[isolationOf(level)])),
        ]),
      ),
      surfaces.length === 0 ? undefined : systemCallFigure(surfaces),
    ],
  }
}

interface Entry {
  readonly level: string
  readonly look: Look
  readonly value: SystemCallSurface
}

const allowedWords = (allowed: number | null) => (allowed === null ? 'no filter: all of them' : count(allowed))

const PARTIES = [
  ['program', 'program', 'its program'],
  ['around', 'around it', 'processes around it'],
] as const

function systemCallFigure(surfaces: readonly Entry[]): Html {
  const rows = surfaces.flatMap(({ level, look, value }) =>
    PARTIES.flatMap(([party, short]): BarRow[] => {
      const { allowed, traced } = value[party]
      return [
        { group: level, name: `${short} may call`, look, value: allowed, text: allowedWords(allowed) },
        ...(traced
          ? [{ group: level, name: `${short} called`, look, value: traced.distinct, text: count(traced.distinct) }]
          : []),
      ]
    }),
  )
  return figure({
    id: 'system-calls',
    title: 'System calls of the host’s kernel that can be reached',
    description: rows.map(({ group, name, text }) => `${group}, ${name}: ${text}`).join('; '),
    draw: (frame) => drawBarPlot({ rows, axis: 'different system calls' }, frame),
    reading:
      'Every call that reaches the host’s kernel is code of the host that a hostile program can try to break: fewer is better. “Program” is what runs inside; “around it” are the processes (VMM, OCI runtime, our command) that it would have to break into first. “May call” is what the policy lets through, an outline to the edge means that no filter stands there; “called” is what was seen while a load ran inside. The number says how many doors there are, not how strong each is.',
    table: html`${table(
      'Policy',
      ['level', 'whose calls', 'may call', 'what says so', 'different calls seen', 'in processes'],
      surfaces.flatMap(({ level, value }) =>
        PARTIES.map(([party, , words]): Piece[] => {
          const { allowed, policy, traced, notTracedBecause } = value[party]
          return [
            level,
            words,
            allowedWords(allowed),
            policy,
            traced ? count(traced.distinct) : `not traced: ${notTracedBecause ?? 'no reason is on record'}`,
            traced ? count(traced.processes) : '',
          ]
        }),
      ),
    )}${surfaces.flatMap(({ level, value }) => PARTIES.map(([party, , words]) => callsSeen(level, words, value[party])))}`,
  })
}

const callsSeen = (level: string, words: string, { traced }: CallsOfParty): Piece =>
  traced && traced.calls.length > 0
    ? table(
        `${level}, ${words}: calls that reached the host in ${ms(traced.tracedMs)}`,
        ['system call', 'times', 'of which refused or failed'],
        traced.calls.map(({ name, count: calls, errors }) => [name, count(calls), count(errors)]),
      )
    : undefined
