/** The commands that work inside a running instance. */
import { COMMON_OPTIONS, type Command, type Completes, type OptionRow } from '../command.ts'
import { JSON_OPTION } from './shared.ts'

const LIVE: Completes = { instance: ['running', 'paused'] }

/** Of `run` and `exec`. */
export const USER_OPTION: OptionRow = {
  name: 'user',
  short: 'u',
  value: 'UID[:GID]',
  describe: 'Run as this user, by number (default 0, root; the group is the same number unless said)',
}

export const exec: Command = {
  name: 'exec',
  usage: '[OPTIONS] NAME CMD [ARG...]',
  describe: 'Run a further program in a running instance, and exit with its status',
  options: [
    { name: 'interactive', short: 'i', describe: 'Connect standard input' },
    { name: 'tty', short: 't', describe: 'Give the program a terminal' },
    { name: 'env', short: 'e', value: 'K[=V]', many: true, describe: 'Set a variable; K alone passes yours on' },
    { name: 'env-file', value: 'FILE', many: true, describe: 'Read variables from a file, one K=V or K a line' },
    {
      name: 'workdir',
      short: 'w',
      value: 'DIR',
      describe: "Working directory inside (default: that of the instance's own program)",
      completes: 'nothing',
    },
    { ...USER_OPTION, describe: "Run as this user, by number (default: that of the instance's own program)" },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister exec -it web sh', 'a shell inside, on your terminal'],
    ['cloister exec web ps', 'what runs there'],
    ['echo hello | cloister exec -i web tee /tmp/hello', 'with standard input'],
  ],
  epilogue:
    "Options end at NAME. The program has the variables of the instance's own, and those of -e over them.\nIt ends with this command (SIGHUP, a second later SIGKILL) and with the instance. A unikernel runs one process: there it is refused.\nExit status: the program's, 128+n for signal n, 125 Cloister failed, 126 not executable, 127 not found.",
  stopsAtOperand: true,
  operands: { min: 2, max: Number.POSITIVE_INFINITY, completes: LIVE },
  load: () => import('../commands/exec.ts'),
}

export const cp: Command = {
  name: 'cp',
  usage: '[-L] NAME:PATH HOSTPATH|-  |  [-L] HOSTPATH|- NAME:PATH',
  describe: 'Copy files between the host and a running instance',
  options: [
    { name: 'follow-link', short: 'L', describe: 'Of a source that is a symbolic link, copy what it leads to' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister cp web:/var/log ./logs', 'a directory out of an instance'],
    ['cloister cp site/. web:/srv/www', 'what is in a directory, into one that is there'],
    ['cloister cp web:/etc/hostname -', 'a file to standard output; a directory comes as a tar'],
    ['tar c src | cloister cp - web:/build', 'a tar from standard input, into a directory'],
  ],
  epilogue:
    'A directory goes into a destination that is a directory, or becomes one that is not there; with "/." at its end only what is in it goes.\nFiles arrive with their mode and time; inside they belong to root, on the host to you. Links stay links.\nFrom standard input: the bytes of a file, or where PATH is a directory a tar.',
  stopsAtOperand: false,
  operands: { min: 2, max: 2, completes: 'file' },
  load: () => import('../commands/cp.ts'),
}

export const top: Command = {
  name: 'top',
  usage: '[--json] NAME',
  describe: 'List the processes of an instance',
  options: [JSON_OPTION, ...COMMON_OPTIONS],
  examples: [['cloister top web', 'what runs in it, and what that uses']],
  stopsAtOperand: false,
  operands: { min: 1, max: 1, completes: LIVE },
  load: () => import('../commands/top.ts'),
}
