/** The commands that measure. */
import { ISOLATION_LEVELS } from '../../instance/run-spec.ts'
import { COMMON_OPTIONS, type Command } from '../command.ts'
import { JSON_OPTION, SOURCE_NOTE } from './shared.ts'

export const compare: Command = {
  name: 'compare',
  usage: '[OPTIONS] SOURCE [--] [ARG...]',
  describe: 'Run a program at every isolation level and compare what is measured',
  options: [
    {
      name: 'levels',
      value: 'LIST',
      describe: 'Levels to compare, separated by commas (default: all)',
      completes: { listOf: ISOLATION_LEVELS },
    },
    {
      name: 'only',
      value: 'LIST',
      describe: 'Parts: time,memory,density,cost,isolation,neighbours (default: all)',
      completes: { listOf: ['time', 'memory', 'density', 'cost', 'isolation', 'neighbours'] },
    },
    { name: 'quick', describe: 'The times and what can be seen from inside only: a few seconds' },
    { name: 'runs', value: 'N', describe: 'Timed runs of each level, interleaved (default 5)' },
    { name: 'rootfs', value: 'DIR', describe: 'Use a directory as the root file system, copy-on-write' },
    { name: 'memory', value: 'SIZE', describe: 'Memory of each instance (default 128M)' },
    { name: 'html', value: 'FILE', describe: 'Write one self-contained page with plots as well' },
    JSON_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister compare /bin/busybox -- sha256sum /bin/busybox', 'one program, every level'],
    ['cloister compare --quick ./prog', 'in a few seconds'],
    ['cloister compare --html report.html ./prog', 'a page to show'],
    ['cloister compare --runs 20 --only time --json ./prog', 'for a program to read'],
  ],
  epilogue: SOURCE_NOTE,
  stopsAtOperand: true,
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  load: () => import('../commands/compare.ts'),
}
