/** The command of that name, or words that lead to the one that was meant. */
import { UsageError } from '../errors.ts'
import type { Command } from './command.ts'
import { COMMANDS } from './command-table.ts'
import { suggest } from './suggest.ts'

/** What other engines call it. */
const ALIASES: Readonly<Record<string, string>> = {
  list: 'ps',
  ls: 'ps',
  state: 'inspect',
  create: 'run',
  start: 'run',
  delete: 'rm',
  remove: 'rm',
  terminate: 'stop',
  top: 'stats',
  unpause: 'resume',
  info: 'doctor',
  check: 'doctor',
  benchmark: 'bench',
}

/** What people who know docker look for, and what there is instead. */
const NOT_YET: Readonly<Record<string, string>> = {
  exec: 'An instance runs one program: start another one with "cloister run".',
  image: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  images: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  pull: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  build: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  network: 'There are no networks yet: a container has "lo", a unikernel nothing.',
  volume: 'There are no volumes yet: what a program writes is gone when it has ended.',
  cp: 'Files cannot be copied out yet: let the program write to standard output.',
  restart: 'An instance does not start twice: "cloister rm" it and run it again.',
}

/** @throws UsageError when there is no such command. */
export function commandNamed(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command) return command
  const what = name.startsWith('-') ? `option ${name} before the command` : `command "${name}"`
  throw new UsageError(`Cannot read the command line: there is no ${what}.`, { hint: hintFor(name) })
}

function hintFor(name: string): string {
  if (Object.hasOwn(NOT_YET, name)) return NOT_YET[name]!
  const names = COMMANDS.filter(({ hidden }) => !hidden).map((command) => command.name)
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : undefined
  const near = alias !== undefined && names.includes(alias) ? alias : suggest(name, names)
  return near === undefined ? '"cloister --help" lists the commands.' : `Did you mean "cloister ${near}"?`
}
