/** Says on standard error what went wrong: at most three lines, unless the causes are asked for. */
import { BugError, CloisterError, EXIT } from '../errors.ts'
import { OutputClosed, printError } from './terminal.ts'

/** As a shell has it for a writer whose reader went away: 128 + SIGPIPE. */
const EXIT_SIGPIPE = 141

/** @returns the exit status that goes with the error. */
export function reportError(error: unknown, { debug }: { debug: boolean }): number {
  if (error instanceof OutputClosed) return EXIT_SIGPIPE
  printError(describe(error))
  if (debug) printError(causes(error))
  return error instanceof CloisterError ? error.exitCode : EXIT.cloisterFailed
}

function describe(error: unknown): string {
  if (error instanceof CloisterError && !(error instanceof BugError)) {
    return [`cloister: ${firstLine(error.message)}`, ...(error.hint ? [`  ${error.hint}`] : [])].slice(0, 3).join('\n')
  }
  const message = error instanceof Error ? error.message : String(error)
  return `cloister: Cannot go on, through a fault of its own: ${firstLine(message)}\n  Please report it, with what --debug shows.`
}

function causes(error: unknown): string {
  const lines: string[] = []
  for (let depth = 0, cause = error; cause !== undefined && depth < 10; depth++) {
    lines.push(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
    const facts = cause instanceof CloisterError ? Object.entries(cause.facts) : []
    for (const [name, value] of facts) lines.push(`    ${name}: ${String(value)}`)
    cause = cause instanceof Error ? cause.cause : undefined
    if (cause !== undefined) lines.push('caused by')
  }
  return lines.join('\n')
}

const firstLine = (message: string): string => message.split('\n', 1)[0] ?? ''
