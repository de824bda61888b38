/** yargs, set up from the rows of a command: the full grammar, and words for what is wrong. */
import yargs, { type Argv } from 'yargs'
import { UsageError } from '../errors.ts'
import { type Command, enoughOperands, type OptionRow, type ParsedArguments, spells } from './command.ts'
import { suggest } from './suggest.ts'

/** @throws UsageError naming the first thing that is wrong. */
export async function fullParse(command: Command, args: readonly string[]): Promise<ParsedArguments | 'help'> {
  const { options } = command
  const argv = await parse(command, args)
  const { _: operands, $0: _script, '--': afterTerminator, ...given } = argv
  const values: Record<string, string | true | string[]> = {}
  for (const [name, value] of Object.entries(given)) {
    const row = options.find((candidate) => candidate.name === name)
    const isOther = options.some(({ short, alias }) => short === name || alias === name)
    if (!row && !isOther) throw unknownOption(command, name)
    if (row && value !== undefined) values[name] = normalise(row, value)
  }
  if (values.help === true) return 'help'
  const all = [...(operands as unknown[]), ...((afterTerminator as unknown[] | undefined) ?? [])].map(String)
  const parsed = { options: values, operands: all }
  checkOperands(command, parsed)
  return parsed
}

async function parse(command: Command, args: readonly string[]): Promise<Record<string, unknown>> {
  try {
    return await parserOf(command, joinValues(command, args)).parseAsync()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    // Some words trip yargs itself: `--toString`.
    const hint = `"cloister ${command.name} --help" shows what can be said.`
    throw new UsageError('Cannot read the command line.', { hint, cause })
  }
}

/**
 * yargs takes no value that begins with a dash unless `=` joins it to its option; here what follows an option that
 * takes a value is the value.
 */
function joinValues(command: Command, args: readonly string[]): string[] {
  const { options, stopsAtOperand } = command
  const joined: string[] = []
  const takesValue = (word: string) => options.find((row) => row.value !== undefined && spells(row, word))
  const isSwitch = (letter: string) => options.some(({ short, value }) => short === letter && value === undefined)
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!
    if (word === '--' || (stopsAtOperand && !/^-./s.test(word))) return [...joined, ...args.slice(at)]
    const switches = /^-([^-=]+)[^-=]$/s.exec(word)?.[1] ?? ''
    const clustered = switches !== '' && [...switches].every(isSwitch)
    const row = takesValue(clustered ? `-${word.at(-1)}` : word)
    if (row === undefined) {
      joined.push(word)
      continue
    }
    const value = args[at + 1]
    if (value === undefined) throw missingValue(command, row)
    if (clustered) joined.push(`-${switches}`)
    joined.push(`--${row.name}=${value}`)
    at++
  }
  return joined
}

function parserOf(command: Command, args: readonly string[]): Argv {
  const parser = base(args)
  parser.parserConfiguration({
    'halt-at-non-option': command.stopsAtOperand,
    'populate--': true,
    'camel-case-expansion': false,
    'dot-notation': false,
    'boolean-negation': false,
    'parse-numbers': false,
    'parse-positional-numbers': false,
    'strip-aliased': true,
  })
  for (const { name, short, alias, value } of command.options) {
    const others = [short, alias].filter((other) => other !== undefined)
    parser.option(name, {
      ...(others.length === 0 ? {} : { alias: others }),
      ...(value === undefined ? { type: 'boolean' } : { type: 'string', requiresArg: true }),
    })
  }
  return parser
}

/** Help and failures are ours to print: yargs neither writes nor exits. Its texts stay English in every locale. */
const base = (args: readonly string[]): Argv =>
  yargs([...args])
    .detectLocale(false)
    .help(false)
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      // A refusal of its own comes as an error called YError, or as a message alone.
      if (error && error.name !== 'YError') throw error
      throw new UsageError(`Cannot read the command line: ${lowerFirst(message ?? error.message)}.`)
    })

function normalise(row: OptionRow, value: unknown): string | true | string[] {
  const values = (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined)
  if (row.value === undefined) return true
  const last = values.map(String)
  return row.many ? last : last.at(-1)!
}

function missingValue(command: Command, { name, value }: OptionRow): UsageError {
  return new UsageError(`Cannot read the command line: --${name} needs a value.`, {
    hint: `Write --${name}=${value}. "cloister ${command.name} --help" has examples.`,
  })
}

const NO_PORTS =
  'No port of the host leads inside yet: "cloister network create" makes a network on which the host reaches instances.'

/** What people who know docker try first. */
const NOT_YET: Readonly<Record<string, string>> = {
  p: NO_PORTS,
  publish: NO_PORTS,
  mount: 'A directory of the host is shown inside by -v SRC:DST[:ro].',
  privileged: 'There is none: what stands between an instance and the host stays.',
  u: 'There are no users to choose from: the program is root inside, behind the walls of its level.',
  user: 'There are no users to choose from: the program is root inside, behind the walls of its level.',
}

function unknownOption(command: Command, name: string): UsageError {
  const dashed = name.length === 1 ? `-${name}` : `--${name}`
  if (command.name === 'run' && Object.hasOwn(NOT_YET, name)) {
    return new UsageError(`Cannot read the command line: ${dashed} is not there yet.`, { hint: NOT_YET[name]! })
  }
  const names = command.options.map((row) => row.name)
  const near = name.length === 1 ? undefined : suggest(name, names)
  return new UsageError(`Cannot read the command line: ${command.name} has no option ${dashed}.`, {
    hint: near === undefined ? `"cloister ${command.name} --help" lists them.` : `Did you mean --${near}?`,
  })
}

function checkOperands(command: Command, parsed: ParsedArguments): void {
  const { operands } = parsed
  const { max } = command.operands
  const hint = `Usage: cloister ${command.name} ${command.usage}`
  if (!enoughOperands(command, parsed))
    throw new UsageError(`Cannot read the command line: "cloister ${command.name}" needs more words.`, { hint })
  if (operands.length > max) {
    throw new UsageError(`Cannot read the command line: "${operands[max]}" is one word too many.`, { hint })
  }
}

const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '')
