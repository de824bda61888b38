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

/** @param rest what stands after it on the command line @throws UsageError when there is no such command. */
export function commandNamed(name: string, rest: readonly string[] = []): Command {
  const command = findCommand(name)
  if (command) return command
  if (name.startsWith('-')) {
    const later = rest.find((word) => findCommand(word))
    throw new UsageError(`Cannot read the command line: there is no option ${name} before the command.`, {
      hint: later === undefined ? LISTED : `Options of a command follow it: "cloister ${later} ${name}".`,
    })
  }
  throw new UsageError(`Cannot read the command line: there is no command "${name}".`, { hint: hintFor(name) })
}

const findCommand = (name: string): Command | undefined => COMMANDS.find((candidate) => candidate.name === name)

const LISTED = '"cloister --help" lists the commands.'

function hintFor(name: string): string {
  if (/^[./]/.test(name)) return `Did you mean "cloister run ${name}"?`
  if (Object.hasOwn(NOT_YET, name)) return NOT_YET[name]!
  const names = COMMANDS.filter(({ hidden }) => !hidden).map((command) => command.name)
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : undefined
  const near = alias !== undefined && names.includes(alias) ? alias : suggest(name, names)
  return near === undefined ? LISTED : `Did you mean "cloister ${near}"?`
}
