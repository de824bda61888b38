/**
 * The processes that a comparison starts: `cloister run`, and programs directly on the host. What interrupts the
 * comparison interrupts them, and they are waited for, so that nothing of it is left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot, withoutPlace } from '../paths.ts'

/** The reason that an interrupted comparison is aborted with. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}

export interface RunOptions {
  /** `pipe` for a program that lives until its input ends, which it does with us, however we end. */
  readonly stdin: 'ignore' | 'pipe'
  readonly env?: NodeJS.ProcessEnv
  readonly abort?: AbortSignal | undefined
}

export interface RunChild {
  readonly process: ChildProcess
  /** The end of its standard error so far, fit to be shown to others. */
  errors(): string
  /** Its exit status, null when a signal ended it; rejects when it could not be started. */
  readonly ended: Promise<number | null>
  /** Ends it in an orderly way, and by force when it takes too long. @returns when it is gone, however that went */
  end(): Promise<void>
}

const STDERR_KEPT = 2000
/** Longer than the ten seconds that `run` gives a program before it ends it. */
const PATIENCE_MS = 15_000

/** @throws Interrupted when the comparison was interrupted before */
export const startRun = (args: readonly string[], options: RunOptions): RunChild =>
  startChild(join(packageRoot, 'bin/cloister'), ['run', ...args], options)

export function startChild(file: string, args: readonly string[], options: RunOptions): RunChild {
  const { stdin, env = process.env, abort } = options
  abort?.throwIfAborted()
  // In a group of its own: the terminal's interrupt reaches it once, through us.
  const child = spawn(file, args, { stdio: [stdin, 'pipe', 'pipe'], env, detached: true })
  // It may end before it has read its input.
  child.stdin?.on('error', () => {})
  let over = false
  let patience: NodeJS.Timeout | undefined
  const interrupt = (signal: NodeJS.Signals) => {
    if (over) return
    child.stdin?.end()
    child.kill(signal)
    patience ??= setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  }
  const onAbort = () => {
    const { reason } = abort!
    interrupt(reason instanceof Interrupted ? reason.signal : 'SIGTERM')
  }
  abort?.addEventListener('abort', onAbort)
  let errors = ''
  child.stderr!.on('data', (bytes: Buffer) => {
    errors = (errors + bytes.toString()).slice(-STDERR_KEPT)
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  }).finally(() => {
    over = true
    clearTimeout(patience)
    abort?.removeEventListener('abort', onAbort)
  })
  // Whoever waits for it hears of it; until then it is no fault of the process.
  ended.catch(() => {})
  return {
    process: child,
    errors: () => withoutPlace(errors.trim()),
    ended,
    async end() {
      interrupt('SIGTERM')
      await ended.catch(() => {})
    },
  }
}

/** Lines of standard output as they come; a line without an end is none. */
export function onLines(child: RunChild, line: (text: string) => void): void {
  let rest = ''
  child.process.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!.slice(-LINE_MAX)
    for (const complete of lines) line(complete)
  })
}

const LINE_MAX = 64 * 1024
