/** The commands that keep a running VM as it is, and have others go on from there. */
import { COMMON_OPTIONS, type Command, type OptionRow } from '../command.ts'
import { JSON_OPTION } from './shared.ts'

const NAME_OPTION: OptionRow = { name: 'name', value: 'NAME', describe: 'Name of the new instance' }
const RM_OPTION: OptionRow = { name: 'rm', describe: 'Forget the new instance when it has ended' }
const DETACHED =
  'It runs detached, with streams of its own: see "cloister logs" and "cloister attach". Its host name is its name, its ' +
  'random numbers are its own, and its clock is right.'

export const snapshotCreate: Command = {
  name: 'snapshot create',
  usage: '[--base SNAPSHOT] INSTANCE [NAME]',
  describe: 'Save a running VM as it is: memory, devices, disks; it runs on',
  options: [
    {
      name: 'base',
      value: 'SNAPSHOT',
      describe: 'Keep only the memory that differs from that one, which has to stay',
      completes: 'snapshot',
    },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister snapshot create web', 'prints the name, web-1'],
    ['cloister snapshot create web ready', 'under a name of your own'],
    ['cloister snapshot create --base ready web later', 'what has changed since "ready"'],
  ],
  epilogue: 'One that is paused stays paused. Containers have no snapshots.',
  stopsAtOperand: false,
  operands: { min: 1, max: 2, completes: { instance: ['running', 'paused'] } },
  load: async () => ({ run: (await import('../commands/snapshot.ts')).create }),
}

export const snapshotLs: Command = {
  name: 'snapshot ls',
  usage: '[-q | --json]',
  describe: 'List snapshots',
  options: [{ name: 'quiet', short: 'q', describe: 'Print names only' }, JSON_OPTION, ...COMMON_OPTIONS],
  examples: [['cloister snapshot ls', 'what there is, and what it takes on disk']],
  epilogue:
    'A snapshot is checked in full by the first that goes on from it, and again only when its files have changed.',
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: async () => ({ run: (await import('../commands/snapshot.ts')).ls }),
}

export const snapshotInspect: Command = {
  name: 'snapshot inspect',
  usage: 'SNAPSHOT...',
  describe: 'Print all that is known of a snapshot, as JSON',
  options: [...COMMON_OPTIONS],
  examples: [['cloister snapshot inspect ready', 'what it was taken of, on what host, and the digests of its files']],
  stopsAtOperand: false,
  operands: { min: 1, max: Number.POSITIVE_INFINITY, completes: 'snapshot' },
  load: async () => ({ run: (await import('../commands/snapshot.ts')).inspect }),
}

export const snapshotRm: Command = {
  name: 'snapshot rm',
  usage: 'SNAPSHOT...',
  describe: 'Remove snapshots; what went on from them runs on',
  options: [...COMMON_OPTIONS],
  examples: [['cloister snapshot rm ready', 'unless another one is based on it']],
  stopsAtOperand: false,
  operands: { min: 1, max: Number.POSITIVE_INFINITY, completes: 'snapshot' },
  load: async () => ({ run: (await import('../commands/snapshot.ts')).rm }),
}

export const snapshotRestore: Command = {
  name: 'snapshot restore',
  usage: '[--name NAME] [--rm] SNAPSHOT',
  describe: 'Have an instance go on from a snapshot',
  options: [NAME_OPTION, RM_OPTION, ...COMMON_OPTIONS],
  examples: [
    ['cloister snapshot restore ready', 'under the name of the original, if that is free'],
    ['cloister snapshot restore --name web2 ready', 'under another one'],
  ],
  epilogue: DETACHED,
  stopsAtOperand: false,
  operands: { min: 1, max: 1, completes: 'snapshot' },
  load: async () => ({ run: (await import('../commands/snapshot.ts')).restore }),
}

export const clone: Command = {
  name: 'clone',
  usage: '[--name NAME] [--count N] [--rm] SNAPSHOT|INSTANCE',
  describe: 'Have further instances go on from a snapshot, or from where a running one is',
  options: [
    NAME_OPTION,
    { name: 'count', value: 'N', describe: 'Make so many of them; with --name they are NAME-1, NAME-2 and so on' },
    RM_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister clone ready', 'one more; prints its name'],
    ['cloister clone --name w --count 10 ready', 'w-1 to w-10'],
    ['cloister clone web', 'of a running one: by a snapshot that is thrown away'],
  ],
  epilogue: `${DETACHED}\nWhere a snapshot and an instance have the same name, the snapshot is meant.`,
  stopsAtOperand: false,
  operands: { min: 1, max: 1, completes: 'snapshot or instance' },
  load: () => import('../commands/clone.ts'),
}
