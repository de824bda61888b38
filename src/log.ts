/**
 * The log: what happened, for whoever runs Cloister; never what the program prints. It goes to standard error.
 *
 * `pretty` lines are written here, at once. `json` lines are pino's, loaded when the first line is due: most runs
 * log nothing and should not pay for a logger. Facts go into fields, not into the sentence.
 */
import { writeSync } from 'node:fs'
import { UsageError } from './errors.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export const LOG_FORMATS = ['pretty', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export type LogFacts = Readonly<Record<string, unknown>>
type Severity = Exclude<LogLevel, 'silent'>

export interface Log {
  debug(message: string, facts?: LogFacts): void
  info(message: string, facts?: LogFacts): void
  warn(message: string, facts?: LogFacts): void
  error(message: string, facts?: LogFacts): void
  /** Whether a line of this level would be written: ask before gathering facts that cost something. */
  enabled(level: Severity): boolean
  /** The same log with facts added to every line. */
  child(facts: LogFacts): Log
  /** Resolves when every line is written. */
  flush(): Promise<void>
}

export interface LogOptions {
  readonly level?: LogLevel
  readonly format?: LogFormat
  /** Where the bytes go; standard error unless a test says otherwise. */
  readonly write?: (line: string) => void
}

interface LogSink {
  line(severity: Severity, message: string, facts: LogFacts): void
  flush(): Promise<void>
}

export function createLog({ level = 'warn', format = 'pretty', write = writeStderr }: LogOptions = {}): Log {
  const sink = format === 'json' ? jsonSink(write) : prettySink(write)
  return logTo(sink, LOG_LEVELS.indexOf(level), {})
}

function logTo(sink: LogSink, threshold: number, bound: LogFacts): Log {
  const enabled = (severity: Severity): boolean => LOG_LEVELS.indexOf(severity) >= threshold
  const at = (severity: Severity) =>
    enabled(severity)
      ? (message: string, facts: LogFacts = {}) => sink.line(severity, message, { ...bound, ...facts })
      : () => {}
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    enabled,
    child: (facts) => logTo(sink, threshold, { ...bound, ...facts }),
    flush: () => sink.flush(),
  }
}

function prettySink(write: (line: string) => void): LogSink {
  return {
    line(severity, message, facts) {
      const time = new Date().toISOString().slice(11, 23)
      const tail = Object.entries(facts).map(([key, value]) => ` ${key}=${prettyValue(value)}`)
      write(`${time} ${severity.padEnd(5)} ${message}${tail.join('')}\n`)
    },
    flush: async () => {},
  }
}

/** Guests and file names put text into facts: quoted as JSON, so no control sequence reaches the terminal. */
function prettyValue(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)
  if (value instanceof Error) return JSON.stringify(value.message)
  return plainJson(value)
}

function jsonSink(write: (line: string) => void): LogSink {
  let ready: Promise<import('pino').Logger> | undefined
  let last: Promise<void> = Promise.resolve()
  const logger = async (): Promise<import('pino').Logger> => {
    const { pino } = await import('pino')
    return pino(
      { level: 'debug', base: null, formatters: { level: (label) => ({ level: label }) }, timestamp: false },
      { write },
    )
  }
  return {
    line(severity, message, facts) {
      const time = new Date().toISOString()
      ready ??= logger()
      last = ready.then((pino) => pino[severity]({ time, ...plain(facts) }, message))
    },
    flush: () => last,
  }
}

/** Facts as JSON can carry them: bigint as a decimal string. */
const plain = (facts: LogFacts): Record<string, unknown> => JSON.parse(plainJson(facts)) as Record<string, unknown>

function plainJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner === 'bigint') return inner.toString()
      if (inner instanceof Error) return { name: inner.name, message: inner.message }
      return inner
    }) ?? 'undefined'
  )
}

function writeStderr(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // Nobody reads our standard error (closed pipe, full non-blocking pipe): a log line is not worth dying for.
  }
}

/** @throws UsageError naming the levels there are. */
export function parseLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((candidate) => candidate === text)
  if (!level) throw new UsageError(`Cannot log at level "${text}": it is none of ${LOG_LEVELS.join(', ')}.`)
  return level
}

/** @throws UsageError naming the formats there are. */
export function parseLogFormat(text: string): LogFormat {
  const format = LOG_FORMATS.find((candidate) => candidate === text)
  if (!format) throw new UsageError(`Cannot log as "${text}": it is none of ${LOG_FORMATS.join(', ')}.`)
  return format
}
