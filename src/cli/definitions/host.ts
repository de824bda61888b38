/** The commands about this host and about Cloister itself. */
import { COMMON_OPTIONS, type Command } from '../command.ts'
import { COMPLETION_SHELLS } from '../completion/shells.ts'
import { JSON_OPTION } from './shared.ts'

export const doctor: Command = {
  name: 'doctor',
  usage: '[--fix] [--json]',
  describe: 'Check what this host can run, and how fast its KVM is',
  options: [
    { name: 'fix', describe: 'Clean what crashes of Cloister left: records, processes, control groups, mounts' },
    JSON_OPTION,
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister doctor', 'a line for each check, with the remedy'],
    ['cloister doctor --fix', 'the same, after cleaning up'],
    ['cloister doctor --json', 'for a program to read'],
  ],
  epilogue: 'Exit status: 0 when the isolation levels can run, 1 when a check failed.',
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: () => import('../commands/doctor.ts'),
}

export const version: Command = {
  name: 'version',
  usage: '[--json]',
  describe: 'Print the version',
  options: [JSON_OPTION, ...COMMON_OPTIONS],
  examples: [
    ['cloister version', 'the same as cloister --version'],
    ['cloister version --json', 'with those of Node.js and the machine'],
  ],
  stopsAtOperand: false,
  operands: { min: 0, max: 0 },
  load: () => import('../commands/version.ts'),
}

export const completion: Command = {
  name: 'completion',
  usage: 'bash|zsh|fish',
  describe: 'Print the script that lets a shell complete commands, options and names of instances',
  options: [...COMMON_OPTIONS],
  examples: [
    ['eval "$(cloister completion bash)"', 'in this bash; zsh: the same, after compinit'],
    ['cloister completion fish | source', 'in this fish'],
    ['cloister completion bash >~/.local/share/bash-completion/completions/cloister', 'in every bash'],
  ],
  epilogue:
    'The script asks the cloister in PATH at each TAB, so it never goes out of date. "make install" installs all three.',
  stopsAtOperand: false,
  operands: { min: 1, max: 1, completes: COMPLETION_SHELLS },
  load: () => import('../commands/completion.ts'),
}

export const help: Command = {
  name: 'help',
  usage: '[--man [--output DIR]] [COMMAND]',
  describe: 'Explain a command, or list them all',
  options: [
    { name: 'man', describe: 'Print the manual page instead, as mdoc(7)' },
    { name: 'output', short: 'o', value: 'DIR', describe: 'With --man: write all manual pages into this directory' },
    ...COMMON_OPTIONS,
  ],
  examples: [
    ['cloister help run', 'the same as cloister run --help'],
    ['cloister help network create', 'of a command of two words'],
    ['cloister help --man run | man -l -', 'the manual page, without installing it'],
    ['cloister help --man --output /usr/local/share/man/man1', 'every manual page, where man looks for it'],
  ],
  stopsAtOperand: false,
  operands: { min: 0, max: 2, completes: 'command' },
  load: () => import('../commands/help.ts'),
}

export const complete: Command = {
  name: '__complete',
  usage: '-- WORD...',
  describe: 'Print what a shell may offer in place of the last word',
  options: [...COMMON_OPTIONS],
  examples: [['cloister __complete -- run --isolation uni', 'what the completion scripts ask']],
  hidden: true,
  stopsAtOperand: true,
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  load: () => import('../commands/complete.ts'),
}
