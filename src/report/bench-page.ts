/** `cloister bench --html`: a benchmark's every sample, beside the peers that were there. */
import type { BenchName, BenchResult, ContenderFacts, ContenderKind, Measurement, Unit } from '../bench/bench-result.ts'
import { figure, table } from './figure.ts'
import { growthSection } from './growth-section.ts'
import { hostSection, kvmNotice } from './host-facts.ts'
import { type Html, html, type Piece } from './html.ts'
import { type Look, lookOf } from './look.ts'
import { renderPage, type Section } from './page.ts'
import { drawStripPlot } from './strip-plot.ts'
import { duration, MIB, mib, ms, tick, times } from './units.ts'

const TITLES: Readonly<Record<BenchName, string>> = {
  boot: 'How long it takes from a request to a running program',
  density: 'What one more instance costs, and how many this host carries',
  syscall: 'What a system call costs inside',
  block: 'What a transfer to and from a disk takes',
  net: 'What a frame through a network card takes',
}

const KINDS: Readonly<Record<ContenderKind, string>> = {
  level: 'a level of Cloister',
  peer: 'somebody else’s way to the same thing',
  floor: 'what no isolation can be quicker than',
  part: 'one piece of the way by itself',
}

/** How a unit is written beside a figure and along an axis; samples are divided by `per` to be drawn. */
const UNITS: Readonly<
  Record<Unit, { axis: string; per: number; write: (value: number) => string; tick: (value: number) => string }>
> = {
  ms: { axis: 'milliseconds', per: 1, write: ms, tick },
  ns: { axis: 'time of one', per: 1, write: duration, tick: (value) => duration(value).replace(/\.0+ /, ' ') },
  bytes: { axis: 'MiB', per: MIB, write: mib, tick },
}

export async function renderBenchHtml(result: BenchResult): Promise<string> {
  const { bench, host, command, runs, warmups, seed, memoryBytes, contenders, measurements, growth } = result
  const looks = new Map(contenders.map(({ name }, index) => [name, lookOf(index)]))
  const look = (name: string): Look => looks.get(name) ?? lookOf(looks.size)
  const sections: Section[] = [
    ...measurements.map((measurement) => measurementSection(measurement, look)),
    ...(growth && growth.length > 0 ? [growthSection(growth, look)] : []),
    contendersSection(result),
    hostSection(host),
  ]
  return renderPage({
    title: TITLES[bench],
    eyebrow: `cloister bench ${bench}, version ${host.cloister}`,
    command,
    meta: `${runs} rounds counted, ${warmups} before them not; contenders in an order shuffled anew in each round (seed ${seed}); ${mib(memoryBytes)} for each instance.`,
    lead: [kvmNotice(host), ...result.unavailable.map(missing), glance(result)],
    sections,
    data: result,
  })
}

const missing = ({ name, kind, reason }: BenchResult['unavailable'][number]): Html =>
  html`<div class="notice plain"><p>${name} (${KINDS[kind]}) was not measured: ${reason}</p></div>`

/** Medians of everything, before the plots. */
const glance = ({ measurements, contenders }: BenchResult): Html => {
  const names = contenders
    .map(({ name }) => name)
    .filter((name) => measurements.some(({ rows }) => rows.some(({ contender }) => contender === name)))
  return html`<div class="glance many">${table(
    'At a glance: medians',
    ['', ...names],
    measurements.map(({ title, unit, rows }) => [
      title,
      ...names.map((name) => {
        const row = rows.find(({ contender }) => contender === name)
        return row ? UNITS[unit].write(row.summary.median) : ''
      }),
    ]),
  )}</div>`
}

function measurementSection(measurement: Measurement, look: (name: string) => Look): Section {
  const { id, title, unit, rows } = measurement
  const { axis, per, write, tick } = UNITS[unit]
  return {
    id: `measurement-${id}`,
    title,
    body: [
      figure({
        id: `samples-${id}`,
        title: 'Every sample',
        description: rows.map(({ contender, summary }) => `${contender}: median ${write(summary.median)}`).join('; '),
        draw: (frame) =>
          drawStripPlot(
            {
              groups: [
                {
                  rows: rows.map(({ contender, samples }) => ({
                    name: contender,
                    look: look(contender),
                    values: samples.map((sample) => sample / per),
                  })),
                },
              ],
              axis,
              format: (value) => write(value * per),
              tick,
            },
            frame,
          ),
        reading: `Each dot is one sample, one of each contender in every round; further left is ${unit === 'bytes' ? 'less' : 'quicker'}. Thick line: median. Thin lines: minimum and 95th percentile (below 20 samples: maximum). On a logarithmic axis equal distances are equal factors.`,
        table: table(
          title,
          ['contender', 'minimum', 'median', 'p95', 'maximum', 'samples'],
          rows.map(({ contender, summary: { count, min, median, p95, max } }) => [
            contender,
            write(min),
            write(median),
            p95 === undefined ? 'too few samples' : write(p95),
            write(max),
            count,
          ]),
        ),
      }),
      ratioFigure(measurement, look),
    ],
  }
}

/** Sample n of every row was taken in round n, so that pairs lie close to each other in time. */
function ratioFigure({ id, reference, rows }: Measurement, look: (name: string) => Look): Piece {
  const base = rows.find(({ contender }) => contender === reference)
  const others = rows.filter(({ contender }) => contender !== reference)
  if (!base || others.length === 0) return undefined
  return figure({
    id: `ratios-${id}`,
    title: `Round by round, against ${base.contender}`,
    description: others
      .map(({ contender, ratio }) => `${contender}: median ratio ${ratio ? times(ratio.median) : 'not known'}`)
      .join('; '),
    draw: (frame) =>
      drawStripPlot(
        {
          groups: [
            {
              rows: others.map(({ contender, samples }) => ({
                name: contender,
                look: look(contender),
                values: samples
                  .slice(0, base.samples.length)
                  .map((sample, round) => sample / base.samples[round]!)
                  .filter((ratio) => Number.isFinite(ratio)),
              })),
            },
          ],
          axis: `${base.contender} = 1`,
          format: times,
          reference: { at: 1, name: base.contender },
        },
        frame,
      ),
    reading: `Each dot is a sample divided by that of ${base.contender} in the same round, so that a host which slows down slows down both. Left of the dashed line is less than ${base.contender}; dots on both sides of it mean: not to be told apart.`,
    table: table(
      `Ratios to ${base.contender}, without unit`,
      ['contender', 'minimum', 'median', 'maximum'],
      others.map(({ contender, ratio }) => [
        contender,
        ...(ratio ? [ratio.min, ratio.median, ratio.max].map(times) : ['not known', '', '']),
      ]),
    ),
  })
}

const contendersSection = ({ contenders }: BenchResult): Section => ({
  id: 'contenders',
  title: 'Contenders',
  body: table(
    'Who was measured, and what exactly was run',
    ['contender', 'what it is', 'what was run'],
    contenders.map(({ name, kind, what }: ContenderFacts) => [name, KINDS[kind], what]),
  ),
})
