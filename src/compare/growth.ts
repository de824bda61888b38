/**
 * More and more resting instances of a level, measured at each size. Where the density is asked for, on and on until
 * the slope is known or a cap is reached; the host always keeps a reserve.
 */

import { availableParallelism, totalmem } from 'node:os'
import { type Compared, nameOf } from './compared.ts'
import type { DensityOfLevel, MemoryPoint, Slope } from './comparison.ts'
import { availableBytes } from './process-memory.ts'
import { type RestingInstances, restingInstances } from './resting.ts'
import type { Session } from './session.ts'
import { fitLine, relativeError } from './slope.ts'

/** Sizes that the memory part looks at. */
const FIRST_SIZES = [1, 2, 4, 8]
/** Further ones come by so many, up to the cap. */
const STEP = 4
const COUNT_MOST = 48
const TIME_MOST_MS = 8000
/** A level that takes seconds to start shows its slope with the fewest points that have one. */
const SLOW_MS = 20_000
const POINTS_OF_SLOW = 3
/** Known: the slope's standard error is below this part of it, with points enough to tell. */
const SLOPE_KNOWN = 0.02
const POINTS_LEAST = 6
const RESERVE_PART = 0.2
const RESERVE_LEAST = 512 * 2 ** 20

/** What this host keeps, whatever is measured. */
export const reserveBytes = (): number => Math.max(RESERVE_LEAST, Math.floor(totalmem() * RESERVE_PART))

export interface Growth {
  readonly points: readonly MemoryPoint[]
  readonly stoppedBy: DensityOfLevel['stoppedBy']
}

export async function grow(level: Compared, session: Session, untilSlopeKnown: boolean): Promise<Growth> {
  const resting = restingInstances(level, session, availableParallelism())
  try {
    return await growResting(resting, level, session, untilSlopeKnown)
  } finally {
    await resting.end()
    session.abort.throwIfAborted()
  }
}

async function growResting(
  resting: RestingInstances,
  level: Compared,
  { memoryBytes, progress }: Session,
  untilSlopeKnown: boolean,
): Promise<Growth> {
  const began = performance.now()
  const points: MemoryPoint[] = []
  for (const size of sizes(untilSlopeKnown)) {
    // Each may come to fill its memory, and a little around it.
    const room = availableBytes() - reserveBytes()
    if (room < (size - resting.count) * memoryBytes) return { points, stoppedBy: 'memory' }
    progress(untilSlopeKnown ? 'density' : 'memory', `${size} x ${nameOf(level)} at rest`)
    await resting.startMore(size - resting.count)
    points.push(await resting.measure())
    const tookMs = performance.now() - began
    if (tookMs > SLOW_MS && points.length >= POINTS_OF_SLOW) return { points, stoppedBy: 'time' }
    if (points.length < POINTS_LEAST) continue
    if (isKnown(slopesOf(points))) return { points, stoppedBy: 'slope' }
    if (tookMs > TIME_MOST_MS) return { points, stoppedBy: 'time' }
  }
  return { points, stoppedBy: 'count' }
}

function sizes(untilSlopeKnown: boolean): number[] {
  const further = untilSlopeKnown ? (COUNT_MOST - FIRST_SIZES.at(-1)!) / STEP : 0
  return [...FIRST_SIZES, ...Array.from({ length: further }, (_, index) => FIRST_SIZES.at(-1)! + (index + 1) * STEP)]
}

export interface Slopes {
  readonly privateBytes: Slope
  readonly proportionalBytes: Slope
  readonly hostBytes: Slope
}

export function slopesOf(points: readonly MemoryPoint[]): Slopes {
  const line = (pick: (point: MemoryPoint) => number) =>
    fitLine(points.map((point) => ({ instances: point.instances, bytes: pick(point) })))
  return {
    privateBytes: line(({ privateBytes }) => privateBytes),
    proportionalBytes: line(({ proportionalBytes }) => proportionalBytes),
    hostBytes: line(({ hostBytes }) => hostBytes),
  }
}

/** The host's own view decides what fits. */
export const isKnown = ({ hostBytes }: Slopes): boolean => relativeError(hostBytes) < SLOPE_KNOWN
