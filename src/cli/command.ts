/** What a command is to the command line: rows of options and a few words of help; its work is loaded when it runs. */
import type { Log } from '../log.ts'

export interface OptionRow {
  readonly name: string
  readonly short?: string
  /** Name of the value in the help, `DIR`; an option without one is a switch. */
  readonly value?: string
  /** May be given several times. */
  readonly many?: boolean
  readonly describe: string
}

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
  readonly name: string
  /** What follows the name, for the help. */
  readonly usage: string
  readonly describe: string
  readonly options: readonly OptionRow[]
  readonly examples: readonly (readonly [line: string, what: string])[]
  readonly epilogue?: string
  /** Options end at the first operand; what follows belongs to the program. */
  readonly stopsAtOperand: boolean
  readonly operands: { readonly min: number; readonly max: number }
  load(): Promise<CommandModule>
}

export const COMMON_OPTIONS: readonly OptionRow[] = [
  {
    name: 'log-level',
    value: 'LEVEL',
    describe: 'Log from this level on: debug, info, warn, error or silent (default warn)',
  },
  { name: 'log-format', value: 'FORMAT', describe: 'Write the log as pretty or json (default pretty)' },
  { name: 'debug', describe: 'Log everything, and show the causes of an error' },
  { name: 'help', short: 'h', describe: 'Show this help' },
]

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
