/**
 * One measured run: a whole `cloister run` as a child process, timed from outside, with the marks it made inside.
 * All times are CLOCK_MONOTONIC, which processes of one host share.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRun } from './child.ts'
import { type Compared, runOptions } from './compared.ts'
import type { Mark, Span, TimeSample } from './comparison.ts'

export interface Run extends TimeSample {
  /** The end of standard error, for messages. */
  readonly errors: string
}

/** The run never got to its program: what it said instead. */
export interface Refusal {
  readonly refused: string
}

/** The flags and operands that follow `cloister run` and those of the level. */
export async function runOnce(level: Compared, args: readonly string[], abort?: AbortSignal): Promise<Run | Refusal> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-compare-'))
  const phasesFile = join(directory, 'phases.json')
  try {
    const requested = process.hrtime.bigint()
    const child = startRun([...runOptions(level), '--rm', ...args], {
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
    const gone = process.hrtime.bigint()
    abort?.throwIfAborted()
    const inside = readPhases(phasesFile)
    if (!inside) return { refused: withoutName(child.errors()) || `it ended with status ${exitCode} and no word why` }
    const marksMs = since(requested, {
      process: inside.process,
      ready: inside.created,
      entered: inside.entered,
      kernelReady: inside.kernelReady,
      program: inside.programStarted,
      firstOutput,
      exit: inside.exited,
      gone,
    })
    return {
      exitCode,
      marksMs,
      spansMs: spansOf(marksMs),
      outputDigest: hash.digest('hex'),
      outputBytes,
      errors: withoutName(child.errors()),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

type Marks = Partial<Record<Mark, number>>

function since(requested: bigint, marks: Record<Mark, bigint | undefined>): Marks {
  const entries = Object.entries(marks).filter(([, at]) => at !== undefined)
  return Object.fromEntries(entries.map(([name, at]) => [name, Number(at! - requested) / 1e6]))
}

/** Where each span begins and ends; the request is the beginning of all. */
const SPAN_ENDS: Readonly<Record<Span, readonly [from: Mark | 'request', to: Mark]>> = {
  requestToReady: ['request', 'ready'],
  readyToEntered: ['ready', 'entered'],
  enteredToProgram: ['entered', 'program'],
  programToExit: ['program', 'exit'],
  exitToGone: ['exit', 'gone'],
  requestToFirstOutput: ['request', 'firstOutput'],
  whole: ['request', 'gone'],
}

/** A span has a length when both of its ends were seen. */
export function spansOf(marks: Marks): Partial<Record<Span, number>> {
  const entries = Object.entries(SPAN_ENDS).flatMap(([span, [from, to]]) => {
    const [begin, end] = [from === 'request' ? 0 : marks[from], marks[to]]
    return begin === undefined || end === undefined ? [] : [[span, end - begin] as const]
  })
  return Object.fromEntries(entries)
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
