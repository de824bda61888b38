/**
 * The `cloister run` processes that a comparison starts. What interrupts the comparison interrupts them, and they are
 * waited for, so that nothing of it is left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot } from '../paths.ts'

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
  /** The end of its standard error so far. */
  errors(): string
  /** Its exit status, null when a signal ended it; rejects when it could not be started. */
  readonly ended: Promise<number | null>
}

const STDERR_KEPT = 2000

/** @throws Interrupted when the comparison was interrupted before */
export function startRun(args: readonly string[], { stdin, env = process.env, abort }: RunOptions): RunChild {
  abort?.throwIfAborted()
  const child = spawn(join(packageRoot, 'bin/cloister'), ['run', ...args], { stdio: [stdin, 'pipe', 'pipe'], env })
  const interrupt = () => {
    const { reason } = abort!
    child.kill(reason instanceof Interrupted ? reason.signal : 'SIGTERM')
  }
  abort?.addEventListener('abort', interrupt)
  let errors = ''
  child.stderr!.on('data', (bytes: Buffer) => {
    errors = (errors + bytes.toString()).slice(-STDERR_KEPT)
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  }).finally(() => abort?.removeEventListener('abort', interrupt))
  // Whoever waits for it hears of it; until then it is no fault of the process.
  ended.catch(() => {})
  return { process: child, errors: () => errors.trim(), ended }
}
