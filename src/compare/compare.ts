/**
 * The same program at each isolation level, side by side, in one run: what starting, resting, running cost, what can
 * be seen from inside, and what a bad neighbour does. Everything in the result was measured just now; a level that
 * cannot run here is named with the reason.
 */
import { setMaxListeners } from 'node:events'
import { HostError } from '../errors.ts'
import { withoutPlace } from '../paths.ts'
import { type Compared, differentInside } from './compared.ts'
import { type Comparison, type FailedPart, PARTS, type Part, SCHEMA, type UnavailableLevel } from './comparison.ts'
import { measureCost } from './cost.ts'
import { hostFacts } from './host-facts.ts'
import { probeIsolation } from './isolation-probes.ts'
import { measureMemory } from './memory.ts'
import { measureNeighbours } from './neighbours.ts'
import { runOnce } from './run-once.ts'
import type { Session } from './session.ts'
import { measureSystemCalls } from './system-calls.ts'
import { isRefusal, measureTime } from './time.ts'

export interface CompareOptions {
  /** The flags and operands of `run` that name what to run: SOURCE and CMD, or `--rootfs DIR` and CMD. */
  readonly runArgs: readonly string[]
  readonly levels: readonly Compared[]
  readonly parts: readonly Part[]
  readonly runs: number
  /** A level whose runs take long is run fewer times. */
  readonly sparing: boolean
  readonly memoryBytes: number
  readonly progress?: Session['progress']
  readonly abort?: AbortSignal
}

/** @throws what `abort` was given, when it was */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { runArgs, memoryBytes, progress = () => {}, abort = new AbortController().signal } = options
  const [startedAt, began] = [new Date().toISOString(), performance.now()]
  // Every instance that runs at the time listens.
  setMaxListeners(0, abort)

  progress('warming up')
  const unavailable = await warmUp(options.levels, ['--memory', String(memoryBytes), ...runArgs], abort)
  const levels = options.levels.filter((level) => !unavailable.some(({ isolation }) => isolation === level))
  const session: Session = { levels, memoryBytes, progress, abort }
  const head = {
    schema: SCHEMA,
    startedAt,
    command: runArgs.map(withoutPlace),
    memoryBytes,
    parts: PARTS.filter((part) => options.parts.includes(part)),
    levels,
    unavailable,
  } as const
  const measured = levels.length === 0 ? {} : await measureParts(session, options)
  abort.throwIfAborted()
  progress('host facts')
  const host = await hostFacts()
  abort.throwIfAborted()
  return { ...head, host, tookMs: performance.now() - began, ...measured }
}

type Measured = Pick<Comparison, 'failed' | Part>

/** A part that fails is told with its reason, and does not take what was measured before with it. */
async function measureParts(session: Session, { runArgs, runs, sparing, parts }: CompareOptions): Promise<Measured> {
  const failed: FailedPart[] = []
  const inside: Session = { ...session, levels: differentInside(session.levels) }
  const attempt = async (wanted: readonly Part[], measure: () => Promise<Measured>): Promise<Measured> => {
    const asked = wanted.filter((part) => parts.includes(part))
    if (asked.length === 0) return {}
    try {
      return await measure()
    } catch (error) {
      session.abort.throwIfAborted()
      if (!(error instanceof HostError)) throw error
      failed.push(...asked.map((part) => ({ part, reason: error.message })))
      return {}
    }
  }
  const measured: Measured = {
    ...(await attempt(['time'], async () => ({ time: await measureTime(session, runArgs, { runs, sparing }) }))),
    ...(await attempt(['memory', 'density'], () => measureMemory(session, new Set(parts)))),
    ...(await attempt(['cost'], async () => ({ cost: await measureCost(inside) }))),
    ...(await attempt(['isolation'], async () => ({ isolation: await measureIsolation(inside) }))),
    ...(await attempt(['neighbours'], async () => ({ neighbours: await measureNeighbours(inside) }))),
  }
  return failed.length === 0 ? measured : { ...measured, failed }
}

const measureIsolation = async (session: Session) => ({
  findings: await probeIsolation(session),
  systemCalls: await measureSystemCalls(session),
})

/** One run of each level, which warms the page cache and whose time does not count. */
async function warmUp(
  levels: readonly Compared[],
  args: readonly string[],
  abort: AbortSignal,
): Promise<UnavailableLevel[]> {
  const unavailable: UnavailableLevel[] = []
  for (const isolation of levels) {
    const run = await runOnce(isolation, args, abort)
    if (isRefusal(run)) unavailable.push({ isolation, reason: run.refused })
  }
  return unavailable
}
