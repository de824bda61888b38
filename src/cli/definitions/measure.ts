/** The commands that measure. */
import { COMPARED } from '../../compare/compared.ts'
import { COMMON_OPTIONS, type Command } from '../command.ts'
import { JSON_OPTION, SOURCE_NOTE } from './shared.ts'

export const compare: Command = {
  name: 'compare',
  usage: '[SOURCE] [OPTIONS] [-- ARG...]',
  describe: 'Run a program at every isolation level and compare what is measured',
  options: [
    {
      name: 'levels',
      value: 'LIST',
      describe: `Levels to compare: ${COMPARED.join(',')} (default: all)`,
      completes: { listOf: COMPARED },
    },
    {
      name: 'only',
      value: 'LIST',
      describe: 'Parts: time,memory,density,cost,isolation,neighbours (default: all)',
      completes: { listOf: ['time', 'memory', 'density', 'cost', 'isolation', 'neighbours'] },
    },
    { name: 'quick', describe: 'The times and what can be seen from inside only: a few seconds' },
    {
      name: 'runs',
      value: 'N',
      describe: 'Timed runs of each level, interleaved (default 5; fewer, but 3 at least, of one that takes long)',
    },
    { name: 'rootfs', value: 'DIR', describe: 'Use a directory as the root file system, copy-on-write' },
    { name: 'memory', value: 'SIZE', describe: 'Memory of each instance (default 128M)' },
    { name: 'html', value: 'FILE', describe: 'Write one self-contained page with plots as well' },
    JSON_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister compare /bin/busybox -- sha256sum /bin/busybox', 'one program, every level'],
    ['cloister compare ./prog --quick', 'in a few seconds'],
    ['cloister compare ./prog --html report.html', 'a page to show'],
    ['cloister compare ./prog --runs 20 --only time --json', 'for a program to read'],
  ],
  epilogue: `${SOURCE_NOTE}\nWithout SOURCE a small program of ours runs. What follows "--" belongs to the program. Exit status: 0,\n1 when the levels disagree or a part could not be measured, 125 when no level ran, 128+n for signal n.`,
  stopsAtOperand: false,
  operands: { min: 0, max: Number.POSITIVE_INFINITY },
  load: () => import('../commands/compare.ts'),
}
