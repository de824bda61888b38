/** Every command of `cloister`, in the order of the help. */
import { COMMON_OPTIONS, type Command, type OptionRow } from './command.ts'

const JSON_OPTION: OptionRow = { name: 'json', describe: 'Print one JSON document and nothing else' }
const SOURCE_NOTE =
  'SOURCE is one ELF program, named by a path that begins with "/" or "."; it is seen inside at that path.\n' +
  'With --rootfs DIR the first operand is the command, looked up inside DIR; writes never reach DIR.'

const run: Command = {
  name: 'run',
  usage: '[OPTIONS] SOURCE [--] [ARG...]  |  [OPTIONS] --rootfs DIR CMD [ARG...]',
  describe: 'Run a program, wait for it, and exit with its status',
  options: [
    { name: 'isolation', value: 'LEVEL', describe: 'container or unikernel (default for a single program: unikernel)' },
    { name: 'rootfs', value: 'DIR', describe: 'Use a directory as the root file system, copy-on-write' },
    { name: 'interactive', short: 'i', describe: 'Connect standard input' },
    { name: 'env', short: 'e', value: 'K[=V]', many: true, describe: 'Set a variable; K alone passes yours on' },
    { name: 'env-file', value: 'FILE', many: true, describe: 'Read variables from a file, one K=V or K a line' },
    { name: 'workdir', short: 'w', value: 'DIR', describe: 'Working directory inside, there already (default /)' },
    { name: 'memory', value: 'SIZE', describe: 'Guest memory of a VM, limit of a container: 64M, 1G (default 128M)' },
    { name: 'cpus', value: 'N', describe: 'Processors of a container (default 1); a unikernel has one' },
    {
      name: 'timeout',
      value: 'TIME',
      describe: 'End it after this time with status 124: 500ms, 2s, 1m; a bare number is seconds',
    },
    { name: 'kernel', value: 'FILE', describe: 'Guest kernel to boot instead of ours (VMs)' },
    { name: 'append', value: 'ARGS', describe: 'Add to the kernel command line (VMs)' },
    { name: 'trace', value: 'exits[:FILE]', describe: 'Narrate every VM exit on standard error or into a file' },
    { name: 'name', value: 'NAME', describe: 'Name of the instance (default: a made-up one)' },
    { name: 'rm', describe: 'Leave no record when it has ended' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister run /bin/busybox echo hello', 'in a virtual machine of its own'],
    ['cloister run --isolation container /bin/busybox uname -a', 'the same file in a container'],
    ['echo hello | cloister run -i /bin/busybox tr a-z A-Z', 'with standard input'],
    ['cloister run --rootfs ./root --isolation container /bin/sh', 'a command of a root directory'],
    ['cloister run --timeout 2s --memory 64M ./prog', 'with limits'],
    ['cloister run --trace exits /bin/busybox true', 'watch the VM exit'],
  ],
  epilogue: `${SOURCE_NOTE}\nOptions end at SOURCE: what follows belongs to the program. Exit status: the program's, 128+n for signal n,\n124 time limit, 125 Cloister failed or the guest died, 126 not executable, 127 not found, 137 out of memory.`,
  stopsAtOperand: true,
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  load: () => import('./commands/run.ts'),
}

const ps: Command = {
  name: 'ps',
  usage: '[-a] [--json]',
  describe: 'List instances that run',
  options: [{ name: 'all', short: 'a', describe: 'Also those that have ended' }, JSON_OPTION, ...COMMON_OPTIONS],
  examples: [
    ['cloister ps', 'what runs now'],
    ['cloister ps -a --json', 'everything on record, for a program to read'],
  ],
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: () => import('./commands/ps.ts'),
}

const rm: Command = {
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
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  load: () => import('./commands/rm.ts'),
}

const compare: Command = {
  name: 'compare',
  usage: '[OPTIONS] SOURCE [--] [ARG...]',
  describe: 'Run a program at every isolation level and compare what is measured',
  options: [
    { name: 'levels', value: 'LIST', describe: 'Levels to compare, separated by commas (default: all)' },
    { name: 'runs', value: 'N', describe: 'Runs of each level, interleaved (default 5)' },
    { name: 'rootfs', value: 'DIR', describe: 'Use a directory as the root file system, copy-on-write' },
    { name: 'memory', value: 'SIZE', describe: 'Memory of each instance (default 128M)' },
    JSON_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister compare /bin/busybox -- sha256sum /bin/busybox', 'one program, every level'],
    ['cloister compare --runs 20 --json ./prog', 'for a program to read'],
  ],
  epilogue: SOURCE_NOTE,
  stopsAtOperand: true,
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  load: () => import('./commands/compare.ts'),
}

const doctor: Command = {
  name: 'doctor',
  usage: '[--json]',
  describe: 'Check what this host can run, and how fast its KVM is',
  options: [JSON_OPTION, ...COMMON_OPTIONS],
  examples: [
    ['cloister doctor', 'a line for each check, with the remedy'],
    ['cloister doctor --json', 'for a program to read'],
  ],
  epilogue: 'Exit status: 0 when the isolation levels can run, 1 when a check failed.',
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: () => import('./commands/doctor.ts'),
}

const version: Command = {
  name: 'version',
  usage: '[--json]',
  describe: 'Print the version',
  options: [JSON_OPTION, ...COMMON_OPTIONS],
  examples: [['cloister version', 'the same as cloister --version']],
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: () => import('./commands/version.ts'),
}

export const COMMANDS: readonly Command[] = [run, ps, rm, compare, doctor, version]
