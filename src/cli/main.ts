/**
 * `cloister`: finds the command, reads its options, runs it, and turns what happened into an exit status.
 * Only here does the process end on purpose.
 */
import { VERSION } from '../version.ts'
import { type Command, flag, type ParsedArguments, text } from './command.ts'
import { membersOf, requireCommandAt } from './find-command.ts'
import './phases-file.ts'
import { quickParse } from './quick-parse.ts'
import { reportError } from './report-error.ts'
import { print } from './terminal.ts'

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  if (first === '--version' || first === '-v') {
    print(VERSION)
    return 0
  }
  if (first === undefined) return help()
  if (first === '--help' || first === '-h') return help(rest)
  if (membersOf(first).length > 0 && [undefined, '--help', '-h'].includes(rest[0])) return help([first])
  const { command, rest: own } = requireCommandAt(args)
  return runCommand(command, own)
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

async function help(words: readonly string[] = []): Promise<number> {
  const { helpFor } = await import('./help-text.ts')
  print(helpFor(words))
  return 0
}

const args = process.argv.slice(2)
/** Until the options are read, the word anywhere will do. */
let debug = args.includes('--debug')
let leave: (status: number) => void = (status) => process.exit(status)

main(args)
  .catch((error: unknown) => reportError(error, { debug }))
  .then((status) => leave(status))
