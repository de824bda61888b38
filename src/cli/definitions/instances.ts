/** The commands that look at instances, steer them and end them. */
import { COMMON_OPTIONS, type Command, type Completes } from '../command.ts'
import { JSON_OPTION } from './shared.ts'

const NAMES = (completes: Completes, max = Number.POSITIVE_INFINITY) => ({ min: 1, max, completes })
const LIVE: Completes = { instance: ['running', 'paused'] }

export const ps: Command = {
  name: 'ps',
  usage: '[-a] [-q] [--json]',
  describe: 'List instances that run',
  options: [
    { name: 'all', short: 'a', describe: 'Also those that have ended' },
    { name: 'quiet', short: 'q', describe: 'Print names only' },
    JSON_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister ps', 'what runs now'],
    ['cloister ps -a --json', 'everything on record, for a program to read'],
    ['cloister rm -f $(cloister ps -q)', 'end and forget all that run'],
  ],
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: () => import('../commands/ps.ts'),
}

export const inspect: Command = {
  name: 'inspect',
  usage: '[--security] NAME...',
  describe: 'Print all that is known of an instance, as JSON',
  options: [
    { name: 'security', describe: 'Say in one screen what stands between it and the host' },
    { name: 'json', describe: 'With --security: as JSON too' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    [
      'cloister inspect web',
      'what was asked, what is, and the CPU policy of a VM or the control groups of a container',
    ],
    ['cloister inspect --security web', 'its walls, each with what was found'],
  ],
  stopsAtOperand: false,
  operands: NAMES('instance'),
  load: () => import('../commands/inspect.ts'),
}

export const logs: Command = {
  name: 'logs',
  usage: '[-f] [-t] [--tail N] [--since TIME] [--json] NAME',
  describe: 'Print what a detached instance printed',
  options: [
    { name: 'follow', short: 'f', describe: 'Go on until it has ended' },
    { name: 'timestamps', short: 't', describe: 'Put the time in front of every line' },
    { name: 'tail', value: 'N', describe: 'Begin with the last N lines' },
    { name: 'since', value: 'TIME', describe: 'Begin so long ago (10m, 2h) or at a date (2026-11-22T08:00:00Z)' },
    { name: 'json', describe: 'Print one JSON document a line: time, stream, and text or base64' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister logs web', 'all that is kept; standard error goes to standard error'],
    ['cloister logs -f --tail 10 web', 'the last lines, and what comes'],
    ['cloister logs --json web', 'for a program to read'],
  ],
  epilogue: 'Kept are the last 16 MiB, or what "cloister run -d --log-size" said.',
  stopsAtOperand: false,
  operands: NAMES('instance', 1),
  load: () => import('../commands/logs.ts'),
}

export const attach: Command = {
  name: 'attach',
  usage: '[--no-stdin] [--no-signals] NAME',
  describe: 'Connect the terminal to a detached instance, and exit with its status',
  options: [
    { name: 'no-stdin', describe: 'Only watch: connect no standard input' },
    { name: 'no-signals', describe: 'Let signals, such as that of Ctrl-C, end this command and not the program' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister attach --no-signals web', 'watch it; Ctrl-C leaves it running'],
    ['echo hello | cloister attach upper', 'write to one that was started with -d -i'],
  ],
  epilogue:
    'From a terminal that it has (-t), Ctrl-P Ctrl-Q leads back, and it runs on.\nIt shows what is printed from now on; "cloister logs" has what was printed before.',
  stopsAtOperand: false,
  operands: NAMES(LIVE, 1),
  load: () => import('../commands/attach.ts'),
}

export const wait: Command = {
  name: 'wait',
  usage: 'NAME...',
  describe: 'Wait until instances have ended, and print their exit statuses',
  options: [...COMMON_OPTIONS],
  examples: [['cloister wait web', 'prints 0 when it ended well']],
  epilogue: 'One that crashed counts as 125. Exit status: 0 when every name was found, 1 otherwise.',
  stopsAtOperand: false,
  operands: NAMES('instance'),
  load: () => import('../commands/wait.ts'),
}

export const stop: Command = {
  name: 'stop',
  usage: '[--time TIME] NAME...',
  describe: 'Ask programs to end (SIGTERM), and end them when they do not',
  options: [
    { name: 'time', value: 'TIME', describe: 'How long they may take: 500ms, 30s, 1m (default 10s)' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister stop web', 'SIGTERM, after ten seconds the end'],
    ['cloister stop --time 1m db', 'with more patience'],
  ],
  stopsAtOperand: false,
  operands: NAMES(LIVE),
  load: () => import('../commands/stop.ts'),
}

export const kill: Command = {
  name: 'kill',
  usage: '[-s SIGNAL] NAME...',
  describe: 'Send a signal to programs; SIGKILL ends them at once',
  options: [
    {
      name: 'signal',
      short: 's',
      value: 'SIGNAL',
      describe: 'Which: a name, with or without SIG, or a number (default KILL)',
      completes: ['HUP', 'INT', 'QUIT', 'KILL', 'USR1', 'USR2', 'TERM', 'STOP', 'CONT', 'WINCH'],
    },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister kill web', 'end it, whatever it does'],
    ['cloister kill -s HUP web', 'have it read its settings again'],
  ],
  stopsAtOperand: false,
  operands: NAMES(LIVE),
  load: () => import('../commands/kill.ts'),
}

export const pause: Command = {
  name: 'pause',
  usage: 'NAME...',
  describe: 'Stop instances where they are: their processors run no more, their memory stays',
  options: [...COMMON_OPTIONS],
  examples: [['cloister pause web', 'until "cloister resume web"']],
  stopsAtOperand: false,
  operands: NAMES({ instance: ['running'] }),
  load: () => import('../commands/pause.ts'),
}

export const resume: Command = {
  name: 'resume',
  usage: 'NAME...',
  describe: 'Let paused instances go on',
  options: [...COMMON_OPTIONS],
  examples: [['cloister resume web', 'as if nothing had been, but for the time of day']],
  stopsAtOperand: false,
  operands: NAMES({ instance: ['paused'] }),
  load: () => import('../commands/resume.ts'),
}

export const update: Command = {
  name: 'update',
  usage: '--memory SIZE NAME...',
  describe: 'Change what running instances may have of memory',
  options: [
    {
      name: 'memory',
      value: 'SIZE',
      describe: 'Limit of a container; what a guest with a balloon is asked to live with',
    },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister update --memory 256M web', 'a container: at once'],
    ['cloister update --memory 128M linux', 'a VM of --kernel: its guest gives the rest back, as far as it can'],
  ],
  epilogue:
    'A VM gets no more than it was started with. A unikernel cannot be asked. "cloister stats --json" says how far it got.',
  stopsAtOperand: false,
  operands: NAMES(LIVE),
  load: () => import('../commands/update.ts'),
}

export const stats: Command = {
  name: 'stats',
  usage: '[-f] [--json] [NAME...]',
  describe: 'Show what instances use of the host: processors, memory, processes',
  options: [
    { name: 'follow', short: 'f', describe: 'Go on, a new table every second' },
    { name: 'json', describe: 'Print one JSON document; with --follow one a line' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister stats', 'all that run'],
    ['cloister stats -f web', 'one, again and again'],
  ],
  epilogue:
    'Processor time is that of a quarter of a second (with --follow, of a second), in per cent of one processor.',
  stopsAtOperand: false,
  operands: { min: 0, max: Number.POSITIVE_INFINITY, completes: LIVE },
  load: () => import('../commands/stats.ts'),
}

export const events: Command = {
  name: 'events',
  usage: '[-f] [--since TIME] [--json] [NAME...]',
  describe: 'List what happened to instances',
  options: [
    { name: 'follow', short: 'f', describe: 'Go on with what happens' },
    { name: 'since', value: 'TIME', describe: 'Begin so long ago (10m, 2h) or at a date (2026-11-22T08:00:00Z)' },
    { name: 'json', describe: 'Print one JSON document a line' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister events --since 10m', 'what began, ended, crashed in the last ten minutes'],
    ['cloister events -f --json', 'as it happens, for a program to read'],
  ],
  epilogue: 'Events: create, pause, resume, update, signal, snapshot, exit, crash, remove.',
  stopsAtOperand: false,
  operands: { min: 0, max: Number.POSITIVE_INFINITY, completes: 'instance' },
  load: () => import('../commands/events.ts'),
}

export const rm: Command = {
  name: 'rm',
  usage: '[-f] NAME...',
  describe: 'Remove the records of instances that have ended',
  options: [
    { name: 'force', short: 'f', describe: 'Also end those that run; a name that is not there is no error' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister rm quiet-otter', 'forget one'],
    ['cloister rm -f web', 'end it and forget it'],
  ],
  stopsAtOperand: false,
  operands: { min: 1, max: Number.POSITIVE_INFINITY, completes: 'instance' },
  load: () => import('../commands/rm.ts'),
}
