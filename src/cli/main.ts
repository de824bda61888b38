/**
 * `cloister`: finds the command, reads its options, runs it, and turns what happened into an exit status.
 * Only here does the process end on purpose.
 */
import { UsageError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { type Command, flag, type ParsedArguments, text } from './command.ts'
import { COMMANDS } from './command-table.ts'
import './phases-file.ts'
import { quickParse } from './quick-parse.ts'
import { reportError } from './report-error.ts'
import { suggest } from './suggest.ts'
import { print } from './terminal.ts'

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  if (first === '--version' || first === '-v') {
    print(VERSION)
    return 0
  }
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return help(rest)
  return runCommand(commandNamed(first), rest)
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const parsed = quickParse(command, args) ?? (await fullParse(command, args))
  if (parsed === 'help') return help([command.name])
  debug = flag(parsed, 'debug')
  const [{ run }, { createLog, parseLogFormat, parseLogLevel }] = await Promise.all([
    command.load(),
    import('../log.ts'),
  ])
  const log = createLog({
    level: parseLogLevel(text(parsed, 'log-level') ?? (debug ? 'debug' : 'warn')),
    format: parseLogFormat(text(parsed, 'log-format') ?? 'pretty'),
  })
  try {
    return await run({
      arguments: parsed,
      log,
      leaveBy: (how) => {
        leave = how
      },
    })
  } finally {
    await log.flush()
  }
}

async function fullParse(command: Command, args: readonly string[]): Promise<ParsedArguments | 'help'> {
  const { fullParse } = await import('./full-parse.ts')
  return fullParse(command, args)
}

async function help([name]: readonly string[]): Promise<number> {
  const { commandHelp, overviewHelp } = await import('./full-parse.ts')
  print(name === undefined ? await overviewHelp(COMMANDS) : await commandHelp(commandNamed(name)))
  return 0
}

function commandNamed(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command) return command
  const what = name.startsWith('-') ? `option ${name} before the command` : `command "${name}"`
  throw new UsageError(`Cannot read the command line: there is no ${what}.`, { hint: hintFor(name) })
}

function hintFor(name: string): string {
  const near = nearestCommand(name)
  return near === undefined ? '"cloister --help" lists the commands.' : `Did you mean "cloister ${near}"?`
}

const nearestCommand = (name: string): string | undefined =>
  suggest(
    name,
    COMMANDS.map((command) => command.name),
  )

const args = process.argv.slice(2)
/** Until the options are read, the word anywhere will do. */
let debug = args.includes('--debug')
let leave: (status: number) => void = (status) => process.exit(status)

main(args)
  .catch((error: unknown) => reportError(error, { debug }))
  .then((status) => leave(status))
