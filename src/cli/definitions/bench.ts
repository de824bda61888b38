/** The command that benchmarks. */
import { ISOLATION_LEVELS } from '../../instance/run-spec.ts'
import { COMMON_OPTIONS, type Command } from '../command.ts'
import { JSON_OPTION } from './shared.ts'

export const bench: Command = {
  name: 'bench',
  usage: '[OPTIONS] boot|density|syscall|block|net',
  describe: 'Measure what starting, resting, running, disks and networks cost, beside QEMU, runc and crun',
  options: [
    {
      name: 'levels',
      value: 'LIST',
      describe: `Levels to measure: ${ISOLATION_LEVELS.join(',')} (default: all; none: "")`,
      completes: { listOf: ISOLATION_LEVELS },
    },
    {
      name: 'peers',
      value: 'LIST',
      describe: 'Measured beside them: qemu, runc, crun, host, node (default: all that there are; none: "")',
      completes: { listOf: ['qemu', 'runc', 'crun', 'host', 'node'] },
    },
    { name: 'reference', value: 'NAME', describe: 'Divide the others by this one (default: see below)' },
    {
      name: 'runs',
      value: 'N',
      describe: 'Rounds that count (default: boot 20, density 3, syscall 10, block 7, net 7)',
    },
    { name: 'seed', value: 'N', describe: 'Shuffle the contenders of each round as in the run with this seed' },
    { name: 'memory', value: 'SIZE', describe: 'Memory of each instance (default 128M)' },
    { name: 'instances', value: 'N', describe: 'density: the most of each at once (default 16)' },
    {
      name: 'reserve',
      value: 'SIZE',
      describe: 'density: memory that the host keeps available (default: a fifth of its own, 512M at least)',
    },
    { name: 'html', value: 'FILE', describe: 'Also write a page with plots, complete in itself' },
    JSON_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister bench boot', 'a cold start, spawn to exit, by spans'],
    ['cloister bench density --instances 32 --html density.html', 'with a page of plots'],
    ['cloister bench block', 'a disk under load, beside QEMU with the same guest kernel'],
    ['sudo cloister bench net', 'frames through a tap, likewise; taps are for root to make'],
    ['cloister bench syscall --levels unikernel --peers host --json', 'every sample, for a program to read'],
  ],
  epilogue:
    'Contenders take turns, in an order shuffled for each round; ratios are taken pair by pair within a round.\n' +
    'They are to the host for syscall, otherwise to qemu, otherwise to the first contender there is.\n' +
    'Exit status: 0 measured; 1 something asked for by name could not be; 125 nothing could; 128 + n interrupted.',
  stopsAtOperand: false,
  operands: { min: 1, max: 1, completes: ['boot', 'density', 'syscall', 'block', 'net'] },
  load: () => import('../commands/bench.ts'),
}
