/** What one more instance costs, and how many fit: two readings of the same growth. */

import { HostError } from '../errors.ts'
import { type Compared, differentInside, nameOf } from './compared.ts'
import type { DensityComparison, DensityOfLevel, MemoryComparison, MemoryOfLevel, Part } from './comparison.ts'
import { type Growth, grow, isKnown, reserveBytes, slopesOf } from './growth.ts'
import { availableBytes } from './process-memory.ts'
import { pause } from './resting.ts'
import type { Session } from './session.ts'
import { relativeError } from './slope.ts'

export interface MemoryAndDensity {
  readonly memory?: MemoryComparison
  readonly density?: DensityComparison
}

/** @param parts whichever of the two are wanted */
export async function measureMemory(session: Session, parts: ReadonlySet<Part>): Promise<MemoryAndDensity> {
  session.progress('memory', 'of the host, with nothing started')
  const hostNoiseBytes = await hostNoise(session.abort)
  const available = availableBytes()
  const reserve = reserveBytes()
  const forDensity = differentInside(session.levels)
  const memory: Partial<Record<Compared, MemoryOfLevel>> = {}
  const density: Partial<Record<Compared, DensityOfLevel>> = {}
  for (const level of session.levels) {
    const dense = parts.has('density') && forDensity.includes(level)
    if (!dense && !parts.has('memory')) continue
    const growth = await grow(level, session, dense)
    if (growth.points.length < 2) throw notEnough(level, session.memoryBytes, reserve)
    memory[level] = memoryOfLevel(growth)
    if (dense) density[level] = densityOfLevel(growth, available - reserve)
  }
  return {
    ...(parts.has('memory') ? { memory: { hostNoiseBytes, levels: memory } } : {}),
    ...(parts.has('density') ? { density: { availableBytes: available, reserveBytes: reserve, levels: density } } : {}),
  }
}

const notEnough = (level: Compared, memoryBytes: number, reserve: number) =>
  new HostError(
    `Cannot start two instances of a ${nameOf(level)} of ${mib(memoryBytes)} MiB to measure them: ` +
      `the host would keep less than ${mib(reserve)} MiB.`,
    { hint: 'Free some memory, give each less with --memory, or leave the memory out with --only.' },
  )

const mib = (bytes: number) => Math.round(bytes / 2 ** 20)

const NOISE_READINGS = 6
const NOISE_INTERVAL_MS = 100

async function hostNoise(abort: AbortSignal): Promise<number> {
  const readings = [availableBytes()]
  while (readings.length < NOISE_READINGS) {
    await pause(NOISE_INTERVAL_MS, abort)
    readings.push(availableBytes())
  }
  return Math.max(...readings) - Math.min(...readings)
}

function memoryOfLevel({ points }: Growth): MemoryOfLevel {
  const last = points.at(-1)!
  return { points, further: slopesOf(points), processesPerInstance: last.processes / last.instances }
}

const SURE = 2

/** @param room for instances, in bytes */
export function densityOfLevel({ points, stoppedBy }: Growth, room: number): DensityOfLevel {
  const slopes = slopesOf(points)
  // With a restless host the sum over the processes is the better known, if it leaves out the kernel's own part.
  const basis = isKnown(slopes) || relativeError(slopes.hostBytes) < relativeError(slopes.proportionalBytes)
  const slope = basis ? slopes.hostBytes : slopes.proportionalBytes
  const error = SURE * (slope.standardErrorBytes ?? 0)
  const fits = (bytesPerInstance: number) => Math.max(0, Math.floor(room / Math.max(1, bytesPerInstance)))
  return {
    points,
    measured: points.at(-1)!.instances,
    stoppedBy,
    basis: basis ? 'host' : 'proportional',
    slope,
    fits: fits(slope.bytesPerInstance),
    fitsLow: fits(slope.bytesPerInstance + error),
    fitsHigh: fits(slope.bytesPerInstance - error),
  }
}
