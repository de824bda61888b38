/** How fast a program runs once it runs, against the same program directly on the host. */
import type { Comparison, CostComparison, CostOfWorkload } from '../compare/comparison.ts'
import { figure, table } from './figure.ts'
import { entries } from './levels.ts'
import type { Section } from './page.ts'
import { drawStripPlot } from './strip-plot.ts'
import { count, duration, times } from './units.ts'

const WORDS: Readonly<Record<CostOfWorkload['name'], string>> = {
  cpu: 'Computing only',
  syscall: 'A system call',
  write: 'Writing a file',
  read: 'Reading a file',
}

export function costSection(comparison: Comparison, { workloads }: CostComparison): Section {
  const perPair = (samples: readonly number[], host: readonly number[]) =>
    samples.slice(0, host.length).map((value, index) => value / host[index]!)
  return {
    id: 'cost',
    title: 'Run cost',
    body: figure({
      id: 'cost-plot',
      title: 'How many times as long as on the host itself',
      description: workloads
        .map(
          ({ name, levels }) =>
            `${WORDS[name]}: ${entries(comparison, levels)
              .map(({ level, value }) => `${level} ${times(value.ratio.median)}`)
              .join(', ')}`,
        )
        .join('; '),
      draw: (frame) =>
        drawStripPlot(
          {
            groups: workloads.map(({ name, host, levels }) => ({
              title: WORDS[name],
              rows: entries(comparison, levels).map(({ level, look, value }) => ({
                name: level,
                look,
                values: perPair(value.samplesNs, host.samplesNs),
              })),
            })),
            axis: 'host = 1',
            format: times,
            reference: { at: 1, name: 'the host itself' },
          },
          frame,
        ),
      reading:
        'Each dot is one sample divided by the sample of the host taken beside it. On the dashed line the wall costs nothing; at 2 everything takes twice as long. Thick line: median. Thin lines: minimum and 95th percentile (below 20 samples: maximum). Few programs do one thing only: a program that computes feels the first row, one that asks the kernel for something all the time the others.',
      table: table(
        'Time of one operation',
        [
          'workload',
          'what one operation is',
          'where',
          'minimum',
          'median',
          'maximum',
          'ratio to the host, median',
          'samples',
        ],
        workloads.flatMap(({ name, operation, host, levels }) => [
          [
            WORDS[name],
            operation,
            'host',
            ...[host.ns.min, host.ns.median, host.ns.max].map(duration),
            '1',
            count(host.ns.count),
          ],
          ...entries(comparison, levels).map(({ level, value: { ns, ratio } }) => [
            WORDS[name],
            operation,
            level,
            ...[ns.min, ns.median, ns.max].map(duration),
            `${times(ratio.median)} (${times(ratio.min)} to ${times(ratio.max)})`,
            count(ns.count),
          ]),
        ]),
      ),
    }),
  }
}
