/** Where the time of a run goes, each run as it was, and the ratio between runs that were taken one after the other. */
import type { Comparison, Span, Spread, TimeComparison, TimeOfLevel } from '../compare/comparison.ts'
import { figure, table } from './figure.ts'
import { type Html, html, type Piece } from './html.ts'
import { entries } from './levels.ts'
import type { Look } from './look.ts'
import type { Section } from './page.ts'
import { drawSpanPlot } from './span-plot.ts'
import { drawStripPlot, type StripGroup } from './strip-plot.ts'
import { ms, times } from './units.ts'

interface Entry {
  readonly level: string
  readonly look: Look
  readonly value: TimeOfLevel
}

/** They follow each other without a gap. */
const STEPS = ['requestToReady', 'readyToEntered', 'enteredToProgram', 'programToExit', 'exitToGone'] as const

const SPAN_WORDS: Readonly<Record<Span, string>> = {
  requestToReady: 'Request to ready',
  readyToEntered: 'Ready to entered',
  enteredToProgram: 'Entered to program',
  programToExit: 'Program to exit',
  exitToGone: 'Exit to all gone',
  requestToFirstOutput: 'Request to first output byte',
  whole: 'Whole run',
}

const STEP_MEANINGS: Readonly<Record<(typeof STEPS)[number], string>> = {
  requestToReady: 'the command starts; a virtual machine with its devices exists, or a container’s bundle is written',
  readyToEntered: 'up to the first KVM_RUN, or up to the start of the OCI runtime',
  enteredToProgram:
    'the guest kernel boots, or the runtime sets up namespaces, mounts and control groups; ends at the program’s first instruction',
  programToExit: 'the program itself, until its end is known',
  exitToGone: 'memory, processes, mounts and control groups are given back; the command has ended',
}

export function timeSection(comparison: Comparison, time: TimeComparison): Section {
  const levels = entries(comparison, time.levels)
  return {
    id: 'time',
    title: 'Time',
    body: [
      html`<p>${time.runs} ${time.runs === 1 ? 'run' : 'runs'} of each level, interleaved, after one of each to warm up${fewer(levels, time.runs)}. Every time begins at the request: the moment when the command was started.</p>`,
      levels.length === 0
        ? html`<p>No level ran.</p>`
        : [spans(levels), everyRun(levels), steps(levels), ratios(levels)],
    ],
  }
}

const fewer = (levels: readonly Entry[], runs: number) =>
  levels
    .filter(({ value }) => value.samples.length < runs)
    .map(({ level, value }) => `; ${value.samples.length} of ${level}, which takes long`)

const median = (value: TimeOfLevel, span: Span) => value.spansMs[span]?.median ?? 0
const samplesOf = ({ samples }: TimeOfLevel, span: Span) =>
  samples.flatMap(({ spansMs }) => (spansMs[span] === undefined ? [] : [spansMs[span]]))

const spread = (values: Spread | undefined) =>
  values
    ? [ms(values.min), ms(values.median), values.p95 === undefined ? 'too few runs' : ms(values.p95), ms(values.max)]
    : ['not seen', '', '', '']

const spreadTable = (caption: string, levels: readonly Entry[], spansShown: readonly Span[]) =>
  table(
    caption,
    ['span', 'level', 'minimum', 'median', 'p95', 'maximum'],
    spansShown.flatMap((span) =>
      levels.map(({ level, value }) => [SPAN_WORDS[span], level, ...spread(value.spansMs[span])]),
    ),
  )

const spans = (levels: readonly Entry[]): Html =>
  figure({
    id: 'spans',
    title: 'Start-up, step by step',
    description: `Stacked bars of the median time of each step: ${levels.map(({ level, value }) => `${level} ${ms(median(value, 'whole'))} in all`).join(', ')}.`,
    draw: (frame) =>
      drawSpanPlot(
        {
          rows: levels.map(({ level, value }) => ({
            name: level,
            note: `whole ${ms(median(value, 'whole'))}`,
            values: STEPS.map((step) => median(value, step)),
          })),
          axis: 'milliseconds since the request',
          format: ms,
        },
        frame,
      ),
    key: html`<ol class="spans">${STEPS.map(
      (step, index) =>
        html`<li><span class="swatch span-${index + 1}">${index + 1}</span><span><strong>${SPAN_WORDS[step]}</strong>: ${STEP_MEANINGS[step]}</span></li>`,
    )}</ol>`,
    reading:
      'Each piece is as long as the median of that step over all runs, in milliseconds; shorter is better. A median is taken of each step by itself, so the pieces need not add up to the median of the whole, which is written at the left.',
    table: spreadTable('Steps, and the whole, by level', levels, [...STEPS, 'whole']),
  })

const MARKS_MEAN = 'Thick line: median. Thin lines: minimum and 95th percentile (below 20 runs: maximum).'

const groupsOf = (levels: readonly Entry[], spansShown: readonly Span[]): StripGroup[] =>
  spansShown.map((span) => ({
    title: SPAN_WORDS[span],
    rows: levels.map(({ level, look, value }) => ({ name: level, look, values: samplesOf(value, span) })),
  }))

const describeMedians = (levels: readonly Entry[], span: Span) =>
  levels.map(({ level, value }) => `${level} median ${ms(median(value, span))}`).join(', ')

const everyRun = (levels: readonly Entry[]): Html =>
  figure({
    id: 'runs',
    title: 'Every run: to the first output byte, and to the very end',
    description: `A dot for every run. Whole run: ${describeMedians(levels, 'whole')}.`,
    draw: (frame) =>
      drawStripPlot(
        { groups: groupsOf(levels, ['requestToFirstOutput', 'whole']), axis: 'milliseconds', format: ms },
        frame,
      ),
    reading: `Each dot is one run; further left is quicker. ${MARKS_MEAN} Where dots of two levels overlap, a single run says little; up and down has no meaning but to keep dots apart.`,
    table: spreadTable('Whole way, by level', levels, ['requestToFirstOutput', 'whole']),
  })

const steps = (levels: readonly Entry[]): Html =>
  figure({
    id: 'steps',
    title: 'Every run, each step by itself',
    description: `A dot for every run and step. Entered to program: ${describeMedians(levels, 'enteredToProgram')}.`,
    draw: (frame) => drawStripPlot({ groups: groupsOf(levels, STEPS), axis: 'milliseconds', format: ms }, frame),
    reading: `The steps of the first plot, run by run. ${MARKS_MEAN} On a logarithmic axis equal distances are equal factors, so that steps of microseconds and of milliseconds fit beside each other: lengths on it must not be added.`,
    table: everySample(levels),
  })

const most = (levels: readonly Entry[]) => Math.max(0, ...levels.map(({ value }) => value.samples.length))

const everySample = (levels: readonly Entry[]): Html => {
  const shown: readonly Span[] = [...STEPS, 'requestToFirstOutput', 'whole']
  return table(
    'Every run, milliseconds',
    ['run', 'level', ...shown.map((span) => SPAN_WORDS[span])],
    Array.from({ length: most(levels) }).flatMap((_, run) =>
      levels
        .filter(({ value }) => run < value.samples.length)
        .map(({ level, value }): Piece[] => [
          run + 1,
          level,
          ...shown.map((span) => value.samples[run]?.spansMs[span]?.toFixed(2) ?? 'not seen'),
        ]),
    ),
  )
}

/** Run n of a level came right before or after run n of the first level. */
function ratios([first, ...others]: readonly Entry[]): Html | undefined {
  if (!first || others.length === 0) return undefined
  const shown: readonly Span[] = ['enteredToProgram', 'requestToFirstOutput', 'whole']
  const pairs = (value: TimeOfLevel, span: Span) =>
    value.samples.flatMap(({ spansMs }, run) => {
      const [a, b] = [spansMs[span], first.value.samples[run]?.spansMs[span]]
      return a === undefined || !b ? [] : [a / b]
    })
  return figure({
    id: 'ratios',
    title: `Pair by pair: how many times as long as a ${first.level}`,
    description: others
      .map(
        ({ level, value }) =>
          `${level}: median ratio ${value.ratios?.whole ? times(value.ratios.whole.median) : 'not known'} for a whole run`,
      )
      .join(', '),
    draw: (frame) =>
      drawStripPlot(
        {
          groups: shown.map((span) => ({
            title: SPAN_WORDS[span],
            rows: others.map(({ level, look, value }) => ({ name: level, look, values: pairs(value, span) })),
          })),
          axis: `${first.level} beside it = 1`,
          format: times,
          reference: { at: 1, name: `as long as a ${first.level}` },
        },
        frame,
      ),
    reading: `Each dot is one pair of runs taken one right after the other, so that a host which slows down slows down both. Left of the dashed line the run was quicker than the ${first.level} beside it. ${MARKS_MEAN} Dots on both sides of the line mean: not to be told apart.`,
    table: table(
      `Ratios to a ${first.level}, without unit`,
      ['span', 'level', 'minimum', 'median', 'maximum'],
      shown.flatMap((span) =>
        others.map(({ level, value }) => {
          const ratio = value.ratios?.[span]
          return [
            SPAN_WORDS[span],
            level,
            ...(ratio ? [ratio.min, ratio.median, ratio.max].map(times) : ['not known', '', '']),
          ]
        }),
      ),
    ),
  })
}
