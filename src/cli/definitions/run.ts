/** `cloister run`, as the command line knows it. */
import { ISOLATION_LEVELS } from '../../instance/run-spec.ts'
import { COMMON_OPTIONS, type Command } from '../command.ts'
import { USER_OPTION } from './inside.ts'
import { SOURCE_NOTE } from './shared.ts'

export const run: Command = {
  name: 'run',
  usage: '[OPTIONS] SOURCE [--] [ARG...]  |  [OPTIONS] --rootfs DIR CMD [ARG...]  |  [OPTIONS] --kernel FILE',
  describe: 'Run a program, wait for it, and exit with its status',
  options: [
    {
      name: 'isolation',
      value: 'LEVEL',
      describe: 'container, unikernel (default for a single program) or microvm (default with --rootfs)',
      completes: ISOLATION_LEVELS,
    },
    { name: 'rootfs', value: 'DIR', describe: 'Use a directory as the root file system, copy-on-write' },
    { name: 'interactive', short: 'i', describe: 'Connect standard input' },
    { name: 'tty', short: 't', describe: 'Give the program a terminal' },
    { name: 'env', short: 'e', value: 'K[=V]', many: true, describe: 'Set a variable; K alone passes yours on' },
    { name: 'env-file', value: 'FILE', many: true, describe: 'Read variables from a file, one K=V or K a line' },
    {
      name: 'workdir',
      short: 'w',
      value: 'DIR',
      describe: 'Working directory inside, there already (default /)',
      completes: 'nothing',
    },
    USER_OPTION,
    { name: 'memory', value: 'SIZE', describe: 'Guest memory of a VM, limit of a container: 64M, 1G (default 128M)' },
    { name: 'cpus', value: 'N', describe: 'Processors (default 1); a unikernel on our own kernel has one' },
    {
      name: 'timeout',
      value: 'TIME',
      describe: 'End it after this time with status 124: 500ms, 2s, 1m; a bare number is seconds',
    },
    {
      name: 'volume',
      short: 'v',
      value: 'SRC:DST[:ro]',
      many: true,
      describe:
        'Show a directory or file of the host inside, at DST; with :ro nothing in it can be changed (containers, microVMs)',
      completes: 'directory',
    },
    {
      name: 'disk',
      value: 'FILE[:HOW]',
      many: true,
      describe:
        'Attach a raw image or block device as /dev/vda, the next as /dev/vdb (VMs); HOW: ro, cow (writes are thrown away), base=IMAGE; and bps=10M, iops=1000 for a limit',
    },
    {
      name: 'net',
      alias: 'network',
      value: 'NETWORK|tap:NAME|none',
      describe: 'Attach it to a network of "cloister network", or a VM to a tap of yours (default none)',
      completes: 'network',
    },
    { name: 'kernel', value: 'FILE', describe: 'Guest kernel to boot instead of ours, bzImage or ELF (VMs)' },
    { name: 'initrd', value: 'FILE', describe: 'Initial RAM disk for a --kernel; with SOURCE for a microvm only' },
    { name: 'append', value: 'ARGS', describe: 'Add to the kernel command line (VMs)' },
    { name: 'cold', describe: 'Boot the kernel of a microvm for real, instead of going on where it has booted once' },
    {
      name: 'trace',
      value: 'exits[:FILE]',
      describe: 'Narrate every VM exit on standard error or into a file',
      completes: ['exits'],
    },
    { name: 'name', value: 'NAME', describe: 'Name of the instance (default: a made-up one)' },
    { name: 'detach', short: 'd', describe: 'Run it in the background, and print its name' },
    {
      name: 'log-size',
      value: 'SIZE',
      describe: 'Most that the output of a detached one may take on disk (default 16M)',
    },
    { name: 'rm', describe: 'Leave no record when it has ended' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister run /bin/busybox echo hello', 'in a virtual machine of its own'],
    ['cloister run --isolation container /bin/busybox uname -a', 'the same file in a container'],
    ['echo hello | cloister run -i /bin/busybox tr a-z A-Z', 'with standard input'],
    ['cloister run -it --rootfs ./root /bin/sh', 'a command of a root directory, under a Linux of its own'],
    ['cloister run --rootfs ./root --isolation container /bin/sh', 'the same in a container'],
    ['cloister run --timeout 2s --memory 64M ./prog', 'with limits'],
    ['cloister run -d --name web /bin/busybox sleep 600', 'in the background; see ps, logs, stats, stop'],
    ['cloister run -it -v .:/src -w /src --rootfs ./root make', 'with a directory of the host'],
    ['cloister run --disk data.img --disk base.img:cow ./prog', 'with disks: /dev/vda, and /dev/vdb for a while'],
    ['cloister run --trace exits /bin/busybox true', 'watch the VM exit'],
    ['cloister run --kernel vmlinuz --initrd initrd.img --memory 512M', 'a Linux of yours, on its serial port'],
  ],
  epilogue: `${SOURCE_NOTE}\nOptions end at SOURCE: what follows belongs to the program. Exit status: the program's, 128+n for signal n,\n124 time limit, 125 Cloister failed or the guest died, 126 not executable, 127 not found, 137 out of memory.`,
  stopsAtOperand: true,
  operands: { min: 1, max: Number.POSITIVE_INFINITY, orOption: 'kernel' },
  load: () => import('../commands/run.ts'),
}

/** How `run -d` starts the process that holds the instance; what is asked comes by a descriptor. */
export const hold: Command = {
  name: 'hold',
  hidden: true,
  usage: '',
  describe: '',
  options: [],
  examples: [],
  stopsAtOperand: true,
  operands: { min: 0, max: 0 },
  load: () => import('../commands/hold.ts'),
}
