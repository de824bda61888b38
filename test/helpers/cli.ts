/** Runs the built `bin/cloister` as a user would, with its state in a directory of the test's own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { temporaryDirectory } from './containers.ts'

export const CLOISTER = join(packageRoot, 'bin/cloister')
/** A command that hangs is killed, and its test fails with the signal as its status. The lab, being slow, sets more. */
const HANG_MS = Number(process.env.CLOISTER_TEST_HANG_SECONDS ?? 30) * 1000

export interface CliResult {
  /** Exit status, or the name of the signal that ended it. */
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly input?: string | Buffer
  /** Standard input stays open, for the test to write to. */
  readonly keepInput?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** For what takes longer than anything else. */
  readonly hangMs?: number
}

export interface Cli {
  readonly root: string
  /** Runs to the end. */
  (args: readonly string[], options?: CliOptions): Promise<CliResult>
  /** Starts, and leaves the rest to the test. */
  start(args: readonly string[], options?: CliOptions): { child: ChildProcess; result: Promise<CliResult> }
}

export const commandLine = (t: ExecutionContext): Cli => commandLineIn(join(temporaryDirectory(t), 'root'))

/** @param patienceMs of all its commands */
export function commandLineIn(root: string, patienceMs = HANG_MS): Cli {
  const start: Cli['start'] = (args, { input, keepInput = false, env = {}, cwd, hangMs = patienceMs } = {}) => {
    const child = spawn(CLOISTER, args, {
      cwd,
      env: { ...process.env, CLOISTER_ROOT: root, ...env },
      stdio: [input === undefined && !keepInput ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: Math.max(hangMs, HANG_MS),
      killSignal: 'SIGKILL',
    })
    // The command may well end before it has read all of its input.
    child.stdin?.on('error', () => {})
    if (!keepInput) child.stdin?.end(input)
    return { child, result: resultOf(child) }
  }
  return Object.assign((args: readonly string[], options?: CliOptions) => start(args, options).result, { root, start })
}

async function resultOf(child: ChildProcess): Promise<CliResult> {
  const streams = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      streams[name] += text
    })
  }
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { status: code ?? signal ?? 'lost', ...streams }
}
