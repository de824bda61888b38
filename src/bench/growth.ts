/**
 * More and more instances of one contender at rest, one at a time: how long each start takes with so many others there,
 * and what memory they hold together. The host keeps a reserve, and all are ended, whatever happens.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { onLines, type RunChild, startChild } from '../compare/child.ts'
import { availableBytes, memoryOf } from '../compare/process-memory.ts'
import type { GrowthPoint, GrowthSeries } from './bench-result.ts'
import { type Contender, ContenderRefused, type Launcher } from './contender.ts'
import { said } from './process-run.ts'

export interface GrowthCaps {
  readonly instances: number
  /** What each of them may come to use. */
  readonly memoryBytes: number
  /** Memory that stays available on the host. */
  readonly reserveBytes: number
}

const READY = /^ready\s*$/
const START_LIMIT_MS = 30_000
const SERIES_LIMIT_MS = 60_000
/** What the end of a start leaves to be given back: stacks, page tables, caches of its own. */
const SETTLE_MS = 100

export interface GrowOptions extends GrowthCaps {
  readonly abort: AbortSignal
  readonly progress: (instances: number) => void
}

/** @throws ContenderRefused when not even the first one comes up */
export async function grow(contender: Contender, options: GrowOptions): Promise<Omit<GrowthSeries, 'round'>> {
  const launcher = contender.prepare(['hold'], { input: true })
  const children: RunChild[] = []
  try {
    return { contender: contender.name, ...(await addInstances(launcher, children, options)) }
  } finally {
    await Promise.all(children.map(endOne))
    options.abort.throwIfAborted()
  }
}

async function addInstances(
  launcher: Launcher,
  children: RunChild[],
  { instances, memoryBytes, reserveBytes, abort, progress }: GrowOptions,
): Promise<Pick<GrowthSeries, 'points' | 'stoppedBy' | 'reason'>> {
  const begun = performance.now()
  const points: GrowthPoint[] = []
  const stop = (stoppedBy: GrowthSeries['stoppedBy'], reason?: string) => {
    const last = points.at(-1)
    // The last point is always a full one.
    if (last && last.privateBytes === undefined) points[points.length - 1] = { ...last, ...memoryOfAll(children) }
    return { points, stoppedBy, ...(reason === undefined ? {} : { reason }) }
  }
  while (children.length < instances) {
    if (room() - memoryBytes < reserveBytes) {
      if (points.length > 0) return stop('memory')
      throw new ContenderRefused('the host would keep less memory than its reserve with one instance more')
    }
    if (performance.now() - begun > SERIES_LIMIT_MS) return stop('time')
    progress(children.length + 1)
    try {
      const startMs = await startOne(launcher, children, abort)
      await sleep(SETTLE_MS, undefined, { signal: abort })
      const count = children.length
      const point = { instances: count, startMs, availableBytes: availableBytes() }
      points.push(isLookedAt(count) ? { ...point, ...memoryOfAll(children) } : point)
    } catch (error) {
      abort.throwIfAborted()
      if (!(error instanceof ContenderRefused) || points.length === 0) throw error
      return stop('failure', error.message)
    }
  }
  return stop('instances')
}

/** A control group around us may leave less than the host has. */
const room = (): number => Math.min(availableBytes(), process.availableMemory())

/** Counting reads a file for every process of every instance: often while they are few, then at powers of two. */
const isLookedAt = (instances: number): boolean => instances <= 4 || Number.isInteger(Math.log2(instances))

async function startOne(launcher: Launcher, children: RunChild[], abort: AbortSignal): Promise<number> {
  const { file, args, env = process.env } = launcher()
  const begun = performance.now()
  const child = startChild(file, args, { stdin: 'pipe', env, abort })
  children.push(child)
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<number>((resolve, reject) => {
      const fail = (how: string) => {
        children.splice(children.indexOf(child), 1)
        void endOne(child)
        reject(new ContenderRefused(`an instance ${how}: ${said(child) || 'it said nothing'}`))
      }
      timer = setTimeout(() => fail(`did not come to rest within ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS)
      child.ended.then(
        () => fail('ended early'),
        (error: Error) => fail(`could not be started (${error.message})`),
      )
      onLines(child, (line) => {
        if (READY.test(line)) resolve(performance.now() - begun)
      })
    })
  } finally {
    clearTimeout(timer)
  }
}

function memoryOfAll(children: readonly RunChild[]) {
  const { privateBytes, proportionalBytes } = memoryOf(children.map(({ process }) => process.pid!))
  return { privateBytes, proportionalBytes }
}

const INPUT_END_MS = 1000

/** The end of its input ends the probe, and with it what is around it; a VMM of others takes a signal. */
async function endOne(child: RunChild): Promise<void> {
  child.process.stdin?.end()
  const timer = setTimeout(() => void child.end(), INPUT_END_MS)
  await child.ended.catch(() => {})
  clearTimeout(timer)
}
