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
  unpause: 'resume',
  info: 'doctor',
  check: 'doctor',
  benchmark: 'bench',
}

/** What people who know docker look for, and what there is instead. */
const NOT_YET: Readonly<Record<string, string>> = {
  image: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  images: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  pull: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  build: 'There are no images yet: "cloister run" takes an ELF program, or a directory with --rootfs.',
  volume: 'There are no named volumes yet: "cloister run -v SRC:DST" shows a directory of the host inside.',
  restart: 'An instance does not start twice: "cloister rm" it and run it again.',
}

export interface Found {
  readonly command: Command
  /** What follows its name. */
  readonly rest: readonly string[]
}

/** The command that a line begins with: its name is one word, or two (`network create`). */
export function commandAt(words: readonly string[]): Found | undefined {
  for (const length of [2, 1]) {
    const command = words.length >= length ? findCommand(words.slice(0, length).join(' ')) : undefined
    if (command) return { command, rest: words.slice(length) }
  }
  return undefined
}

/** Those whose names begin with that word and have another one. */
export const membersOf = (group: string): Command[] => COMMANDS.filter(({ name }) => name.startsWith(`${group} `))

/** @throws UsageError when there is no such command. */
export function requireCommandAt(words: readonly string[]): Found {
  const found = commandAt(words)
  if (found) return found
  const [name = '', ...rest] = words
  const members = membersOf(name).map((member) => member.name)
  if (members.length > 0) {
    const wrong = rest[0] === undefined ? 'it needs another word' : `there is no "${name} ${rest[0]}"`
    const near = rest[0] === undefined ? undefined : suggest(`${name} ${aliasOf(rest[0])}`, members)
    throw new UsageError(`Cannot read the command line: ${wrong}.`, {
      hint: near === undefined ? `There are: ${members.join(', ')}.` : `Did you mean "cloister ${near}"?`,
    })
  }
  if (name.startsWith('-')) {
    const later = rest.find((word) => findCommand(word))
    throw new UsageError(`Cannot read the command line: there is no option ${name} before the command.`, {
      hint: later === undefined ? LISTED : `Options of a command follow it: "cloister ${later} ${name}".`,
    })
  }
  throw new UsageError(`Cannot read the command line: there is no command "${name}".`, { hint: hintFor(name) })
}

/** What docker calls some of them. */
const aliasOf = (word: string): string => ({ list: 'ls', remove: 'rm', delete: 'rm', add: 'create' })[word] ?? word

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
