/** yargs, set up from the rows of a command: the full grammar, the help texts, and words for what is wrong. */
import yargs, { type Argv } from 'yargs'
import { UsageError } from '../errors.ts'
import type { Command, OptionRow, ParsedArguments } from './command.ts'
import { suggest } from './suggest.ts'

const HELP_WIDTH = 110

/** @throws UsageError naming the first thing that is wrong. */
export async function fullParse(command: Command, args: readonly string[]): Promise<ParsedArguments | 'help'> {
  const { options } = command
  const argv = await parse(command, args)
  const { _: operands, $0: _script, '--': afterTerminator, ...given } = argv
  const values: Record<string, string | true | string[]> = {}
  for (const [name, value] of Object.entries(given)) {
    const row = options.find((candidate) => candidate.name === name)
    const isShort = options.some((candidate) => candidate.short === name)
    if (!row && !isShort) throw unknownOption(command, name)
    if (row && value !== undefined) values[name] = normalise(command, row, value)
  }
  if (values.help === true) return 'help'
  const all = [...(operands as unknown[]), ...((afterTerminator as unknown[] | undefined) ?? [])].map(String)
  checkOperands(command, all)
  return { options: values, operands: all }
}

async function parse(command: Command, args: readonly string[]): Promise<Record<string, unknown>> {
  try {
    return await parserOf(command, args).parseAsync()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    // Some words trip yargs itself: `--toString`.
    const hint = `"cloister ${command.name} --help" shows what can be said.`
    throw new UsageError('Cannot read the command line.', { hint, cause })
  }
}

export const commandHelp = (command: Command): Promise<string> => parserOf(command, []).getHelp()

export async function overviewHelp(commands: readonly Command[]): Promise<string> {
  const parser = base([], 'cloister').usage(
    '$0 COMMAND [OPTIONS]\n\nRun a Linux program in a container or in a virtual machine of its own, and compare the two.',
  )
  for (const { name, describe } of commands) parser.command(name, describe)
  return parser
    .option('version', { alias: 'v', type: 'boolean', describe: 'Print the version' })
    .option('help', { alias: 'h', type: 'boolean', describe: 'Show this help' })
    .example('$0 doctor', 'see what this host can run')
    .example('$0 run /bin/busybox echo hello', 'a program in a virtual machine of its own')
    .example('$0 compare /bin/busybox -- sha256sum /bin/busybox', 'the same program at every level')
    .epilogue('"cloister COMMAND --help" says more about a command.')
    .getHelp()
}

function parserOf(command: Command, args: readonly string[]): Argv {
  const parser = base(args, `cloister ${command.name}`).usage(`$0 ${command.usage}\n\n${command.describe}`)
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
  for (const { name, short, value, describe } of command.options) {
    parser.option(name, {
      describe: value === undefined ? describe : `${value}: ${describe}`,
      ...(short === undefined ? {} : { alias: short }),
      ...(value === undefined ? { type: 'boolean' } : { type: 'string', requiresArg: true }),
    })
  }
  for (const [line, what] of command.examples) parser.example(line, what)
  return command.epilogue === undefined ? parser : parser.epilogue(command.epilogue)
}

/** Help and failures are ours to print: yargs neither writes nor exits. Its texts stay English in every locale. */
const base = (args: readonly string[], scriptName: string): Argv =>
  yargs([...args])
    .scriptName(scriptName)
    .detectLocale(false)
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(Math.min(HELP_WIDTH, process.stdout.columns ?? HELP_WIDTH))
    .fail((message, error) => {
      // A refusal of its own comes as an error called YError, or as a message alone.
      if (error && error.name !== 'YError') throw error
      throw new UsageError(`Cannot read the command line: ${lowerFirst(message ?? error.message)}.`)
    })

function normalise(command: Command, row: OptionRow, value: unknown): string | true | string[] {
  const values = (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined)
  if (row.value === undefined) return true
  if (values.some((one) => one === '')) throw missingValue(command, row)
  const last = values.map(String)
  return row.many ? last : last.at(-1)!
}

function missingValue(command: Command, { name, value }: OptionRow): UsageError {
  return new UsageError(`Cannot read the command line: --${name} needs a value.`, {
    hint: `Write --${name}=${value}. "cloister ${command.name} --help" has examples.`,
  })
}

function unknownOption(command: Command, name: string): UsageError {
  const dashed = name.length === 1 ? `-${name}` : `--${name}`
  const names = command.options.map((row) => row.name)
  const near = name.length === 1 ? undefined : suggest(name, names)
  return new UsageError(`Cannot read the command line: ${command.name} has no option ${dashed}.`, {
    hint: near === undefined ? `"cloister ${command.name} --help" lists them.` : `Did you mean --${near}?`,
  })
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { min, max } = command.operands
  const hint = `Usage: cloister ${command.name} ${command.usage}`
  if (operands.length < min)
    throw new UsageError(`Cannot ${command.name}: there is nothing to ${command.name}.`, { hint })
  if (operands.length > max) {
    throw new UsageError(`Cannot read the command line: "${operands[max]}" is one word too many.`, { hint })
  }
}

const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '')
