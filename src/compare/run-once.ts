/**
 * One measured run: a whole `cloister run` as a child process, timed from outside, with the marks it made inside.
 * All times are CLOCK_MONOTONIC, which processes of one host share.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Isolation } from '../instance/run-spec.ts'
import { startRun } from './child.ts'

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

/** The run never got to its program: what it said instead. */
export interface Refusal {
  readonly refused: string
}

/** The flags and operands that follow `cloister run --isolation LEVEL --rm`. */
export async function runOnce(
  isolation: Isolation,
  args: readonly string[],
  abort?: AbortSignal,
): Promise<Sample | Refusal> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-compare-'))
  const phasesFile = join(directory, 'phases.json')
  try {
    const requested = process.hrtime.bigint()
    const child = startRun(['--isolation', isolation, '--rm', ...args], {
      stdin: 'ignore',
      env: { ...process.env, CLOISTER_PHASES: phasesFile },
      abort,
    })
    const hash = createHash('sha256')
    let outputBytes = 0
    let firstOutput: bigint | undefined
    child.process.stdout!.on('data', (bytes: Buffer) => {
      firstOutput ??= process.hrtime.bigint()
      outputBytes += bytes.length
      hash.update(bytes)
    })
    const exitCode = (await child.ended) ?? -1
    const exited = process.hrtime.bigint()
    abort?.throwIfAborted()
    const since = (mark: bigint | undefined) => (mark === undefined ? undefined : Number(mark - requested) / 1e6)
    const inside = readPhases(phasesFile)
    if (!inside) return { refused: withoutName(child.errors()) || `it ended with status ${exitCode} and no word why` }
    const marks: Record<PhaseName, number | undefined> = {
      process: since(inside.process),
      created: since(inside.created),
      // An OCI runtime is started in the moment that its bundle is written: a mark of its own would say nothing.
      entered: isolation === 'container' ? undefined : since(inside.entered),
      kernelReady: since(inside.kernelReady),
      programStarted: since(inside.programStarted),
      firstOutput: since(firstOutput),
      exit: since(exited),
    }
    const marksMs = Object.fromEntries(Object.entries(marks).filter(([, value]) => value !== undefined))
    return { exitCode, marksMs, outputDigest: hash.digest('hex'), outputBytes, errors: withoutName(child.errors()) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The child writes its marks as decimal strings just before it exits; see src/cli/phases-file.ts. */
function readPhases(file: string): Partial<Record<string, bigint>> | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  const marks = JSON.parse(text) as Record<string, string>
  return Object.fromEntries(Object.entries(marks).map(([name, value]) => [name, BigInt(value)]))
}

const withoutName = (errors: string) => errors.replace(/^cloister: /gm, '')
