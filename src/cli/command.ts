/** What a command is to the command line: rows of options and a few words of help; its work is loaded when it runs. */
import type { InstanceStatus } from '../instance/record.ts'
import type { Log } from '../log.ts'

/** What a shell offers where a value or an operand is wanted (src/cli/completion/candidates.ts). */
export type Completes =
  | 'nothing'
  | 'file'
  | 'directory'
  | 'command'
  /** The name of a network on record. */
  | 'network'
  | 'snapshot'
  /** Or of an instance that runs. */
  | 'snapshot or instance'
  /** The name of any instance on record, or of those in one of these states. */
  | 'instance'
  | { readonly instance: readonly InstanceStatus[] }
  /** One of these words, or several of them joined by commas. */
  | readonly string[]
  | { readonly listOf: readonly string[] }

export interface OptionRow {
  readonly name: string
  readonly short?: string
  /** Another spelling, which nothing lists: docker's. */
  readonly alias?: string
  /** Name of the value in the help, `DIR`; an option without one is a switch. */
  readonly value?: string
  /** May be given several times. */
  readonly many?: boolean
  readonly describe: string
  /** Of its value; without it a FILE is a file, a DIR a directory and anything else nothing. */
  readonly completes?: Completes
}

/** `--name`, `-n` or docker's word for it. */
export const spells = ({ name, alias, short }: OptionRow, word: string): boolean =>
  word === `--${name}` ||
  (alias !== undefined && word === `--${alias}`) ||
  (short !== undefined && word === `-${short}`)

/** Options by name: a switch is true or missing, a value a string, a repeated one a list of strings. */
export interface ParsedArguments {
  readonly options: Readonly<Record<string, string | true | readonly string[] | undefined>>
  readonly operands: readonly string[]
}

export interface CommandContext {
  readonly arguments: ParsedArguments
  readonly log: Log
  /** How the process is to end, where ending it the usual way could wait for ever. */
  leaveBy(leave: (status: number) => void): void
}

export interface CommandModule {
  /** @returns the exit status of the process. */
  run(context: CommandContext): Promise<number>
}

export interface Command {
  /** One word, or two: `network create`. */
  readonly name: string
  /** What follows the name, for the help. */
  readonly usage: string
  readonly describe: string
  readonly options: readonly OptionRow[]
  readonly examples: readonly (readonly [line: string, what: string])[]
  readonly epilogue?: string
  /** Options end at the first operand; what follows belongs to the program. */
  readonly stopsAtOperand: boolean
  /** `completes` is about each of them; where options stop at the first one, about that one. */
  readonly operands: {
    readonly min: number
    readonly max: number
    /** With this option there may be none. */
    readonly orOption?: string
    readonly completes?: Completes
  }
  /** For programs, not for people: no help lists it and nothing completes it. */
  readonly hidden?: boolean
  load(): Promise<CommandModule>
}

export const COMMON_OPTIONS: readonly OptionRow[] = [
  {
    name: 'log-level',
    value: 'LEVEL',
    describe: 'Log from this level on: debug, info, warn, error or silent (default warn)',
    completes: ['debug', 'info', 'warn', 'error', 'silent'],
  },
  {
    name: 'log-format',
    value: 'FORMAT',
    describe: 'Write the log as pretty or json (default pretty)',
    completes: ['pretty', 'json'],
  },
  { name: 'debug', describe: 'Log everything, and show the causes of an error' },
  { name: 'help', short: 'h', describe: 'Show this help' },
]

/** Whether so many operands are enough, going by the options. */
export const enoughOperands = (
  { operands: { min, orOption } }: Command,
  { operands, options }: ParsedArguments,
): boolean => operands.length >= min || (orOption !== undefined && options[orOption] !== undefined)

/** The value of a single-valued option. */
export const text = ({ options }: ParsedArguments, name: string): string | undefined => {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

export const list = ({ options }: ParsedArguments, name: string): readonly string[] => {
  const value = options[name]
  return Array.isArray(value) ? value : []
}

export const flag = ({ options }: ParsedArguments, name: string): boolean => options[name] === true
