/**
 * One measured run: a whole `cloister run` as a child process, timed from outside, with the marks it made inside.
 * All times are CLOCK_MONOTONIC, which processes of one host share.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { packageRoot } from '../paths.ts'

export const PHASE_NAMES = [
  'process',
  'created',
  'entered',
  'kernelReady',
  'programStarted',
  'firstOutput',
  'exit',
] as const
export type PhaseName = (typeof PHASE_NAMES)[number]

export interface Sample {
  readonly exitCode: number
  /** Milliseconds from the request (the spawn) to each mark; a level that cannot see a mark leaves it out. */
  readonly marksMs: Partial<Record<PhaseName, number>>
  /** sha256 of the program's standard output: the levels must agree. */
  readonly outputDigest: string
  readonly outputBytes: number
  /** The end of standard error, for messages. */
  readonly errors: string
}

const STDERR_KEPT = 2000

/** The flags and operands that follow `cloister run --isolation LEVEL --rm`. */
export async function runOnce(
  isolation: Isolation,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Sample> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-compare-'))
  const phasesFile = join(directory, 'phases.json')
  try {
    const requested = process.hrtime.bigint()
    const child = spawn(join(packageRoot, 'bin/cloister'), ['run', '--isolation', isolation, '--rm', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, CLOISTER_PHASES: phasesFile },
    })
    const hash = createHash('sha256')
    let outputBytes = 0
    let firstOutput: bigint | undefined
    let errors = ''
    child.stdout.on('data', (bytes: Buffer) => {
      firstOutput ??= process.hrtime.bigint()
      outputBytes += bytes.length
      hash.update(bytes)
    })
    child.stderr.on('data', (bytes: Buffer) => {
      errors = (errors + bytes.toString()).slice(-STDERR_KEPT)
    })
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => resolve(code ?? -1))
    })
    const exited = process.hrtime.bigint()
    const since = (mark: bigint | undefined) => (mark === undefined ? undefined : Number(mark - requested) / 1e6)
    const inside = readPhases(phasesFile)
    const marks: Record<PhaseName, number | undefined> = {
      process: since(inside.process),
      created: since(inside.created),
      entered: since(inside.entered),
      kernelReady: since(inside.kernelReady),
      programStarted: since(inside.programStarted),
      firstOutput: since(firstOutput),
      exit: since(exited),
    }
    const marksMs = Object.fromEntries(Object.entries(marks).filter(([, value]) => value !== undefined))
    return { exitCode, marksMs, outputDigest: hash.digest('hex'), outputBytes, errors: errors.trim() }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The child writes its marks as decimal strings just before it exits; see src/cli/phases-file.ts. */
function readPhases(file: string): Partial<Record<string, bigint>> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new HostError('Cannot measure the run: it ended without its marks.', { cause })
  }
  const marks = JSON.parse(text) as Record<string, string>
  return Object.fromEntries(Object.entries(marks).map(([name, value]) => [name, BigInt(value)]))
}
