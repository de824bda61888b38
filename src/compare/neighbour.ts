/** The one who only wants to work: the probe's `work`, which reports every 100 ms how much it got done. */

import { HostError } from '../errors.ts'
import { probePath } from '../paths.ts'
import { onLines, startRun } from './child.ts'
import { type Compared, nameOf } from './compared.ts'
import type { RateSample } from './comparison.ts'
import { instanceArgs, type Session } from './session.ts'

const INTERVAL_MS = 100
const START_LIMIT_MS = 90_000

export interface Neighbour {
  readonly samples: readonly RateSample[]
  /** Time since its first report. */
  now(): number
  /** Whether it made a report within so long from now on. */
  reports(withinMs: number): Promise<boolean>
  end(): Promise<void>
}

/** @throws HostError when it does not come to work */
export async function startNeighbour(level: Compared, { memoryBytes, abort }: Session): Promise<Neighbour> {
  const args = [...instanceArgs(level, memoryBytes), probePath, 'work', String(INTERVAL_MS)]
  const child = startRun(args, { stdin: 'ignore', abort })
  const samples: RateSample[] = []
  const waiting = new Set<() => void>()
  let first = 0
  const now = () => performance.now() - first
  onLines(child, (line) => {
    const [units, ns] = line.split(' ').map(Number)
    if (samples.length === 0) first = performance.now()
    samples.push({ atMs: now(), rate: (units! / ns!) * 1e9 })
    for (const report of waiting) report()
  })
  const reports = (withinMs: number) =>
    new Promise<boolean>((resolve) => {
      const settle = (reported: boolean) => {
        clearTimeout(timer)
        waiting.delete(report)
        resolve(reported)
      }
      const report = () => settle(true)
      const timer = setTimeout(() => settle(false), withinMs)
      waiting.add(report)
      child.ended.then(
        () => settle(false),
        () => settle(false),
      )
    })
  if (!(await reports(START_LIMIT_MS))) {
    await child.end()
    abort.throwIfAborted()
    throw new HostError(`Cannot watch a neighbour in a ${nameOf(level)}: it does not get to work. ${child.errors()}`)
  }
  return { samples, now, reports, end: () => child.end() }
}
