/** One launched process, timed from outside on CLOCK_MONOTONIC, which all processes of a host share. */
import { readFileSync, rmSync } from 'node:fs'
import { onLines, type RunChild, startChild } from '../compare/child.ts'
import { type Contender, ContenderRefused, type Launch } from './contender.ts'

/** The slowest contender on the slowest KVM takes seconds. */
const RUN_LIMIT_MS = 60_000
const OUTPUT_KEPT = 64 * 1024
const SAID = 500

export interface Timing {
  /** The moment of the spawn, in nanoseconds of CLOCK_MONOTONIC. */
  readonly requested: bigint
  readonly totalMs: number
  readonly firstOutputMs?: number
  /** The marks that the process left, src/cli/phases-file.ts; a mark that it cannot see is absent. */
  readonly marksMs: Readonly<Record<string, number>>
  readonly output: string
}

/**
 * Launches, and waits for the end.
 * @param heard is told every line of the output as it comes
 * @throws ContenderRefused when it did not end as it should; what `abort` was given, after the end, when it was
 */
export async function timeProcess(
  contender: Contender,
  launch: Launch,
  abort: AbortSignal,
  heard?: (line: string) => void,
): Promise<Timing> {
  const requested = process.hrtime.bigint()
  const child = startChild(launch.file, launch.args, { stdin: 'ignore', env: launch.env ?? process.env, abort })
  let output = ''
  let firstOutput: bigint | undefined
  child.process.stdout!.setEncoding('latin1').on('data', (text: string) => {
    firstOutput ??= process.hrtime.bigint()
    output = (output + text).slice(-OUTPUT_KEPT)
  })
  if (heard) onLines(child, heard)
  let late = false
  const timer = setTimeout(() => {
    late = true
    void child.end()
  }, RUN_LIMIT_MS)
  const status = await endOf(child).finally(() => clearTimeout(timer))
  const gone = process.hrtime.bigint()
  abort.throwIfAborted()
  if (late) throw new ContenderRefused(`it did not end within ${RUN_LIMIT_MS / 1000} s. ${said(child)}`)
  if (status !== contender.success || (contender.runsProbe && output === '')) {
    throw new ContenderRefused(`it ended with ${status ?? 'a signal'}: ${said(child) || 'it said nothing'}`)
  }
  const since = (mark: bigint) => Number(mark - requested) / 1e6
  const marks = Object.entries(readMarks(launch.marksFile)).map(([name, mark]) => [name, since(BigInt(mark))])
  return {
    requested,
    totalMs: since(gone),
    ...(firstOutput === undefined ? {} : { firstOutputMs: since(firstOutput) }),
    marksMs: Object.fromEntries(marks),
    output,
  }
}

const endOf = (child: RunChild) =>
  child.ended.catch((error: Error) => {
    throw new ContenderRefused(`it could not be started: ${error.message}`)
  })

/** Its last words, without the name that our own command puts in front. */
export const said = (child: RunChild): string =>
  child
    .errors()
    .replace(/^cloister: /gm, '')
    .slice(-SAID)

function readMarks(file: string | undefined): Record<string, string> {
  if (file === undefined) return {}
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  } finally {
    rmSync(file, { force: true })
  }
}
