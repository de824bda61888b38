/** Instances that do nothing: the probe says `ready` and waits for the end of its input, which comes with ours. */

import { HostError } from '../errors.ts'
import { probePath } from '../paths.ts'
import { onLines, type RunChild, startRun } from './child.ts'
import { type Compared, nameOf } from './compared.ts'
import type { MemoryPoint } from './comparison.ts'
import { availableBytes, memoryOf } from './process-memory.ts'
import { instanceArgs, type Session } from './session.ts'

const READY = 'ready'
/** Two kernels may be booting at a time, on a KVM that emulates them. */
const START_LIMIT_MS = 90_000
/** What the end of a start leaves to be given back: stacks, page tables, caches of its own. */
const SETTLE_MS = 150

export interface RestingInstances {
  readonly count: number
  /** @throws HostError when one of them does not come up */
  startMore(count: number): Promise<void>
  /** Waits a moment for the host to settle. */
  measure(): Promise<MemoryPoint>
  /** Ends them all. */
  end(): Promise<void>
}

/** @param parallel how many may start at a time */
export function restingInstances(level: Compared, session: Session, parallel: number): RestingInstances {
  const running: RunChild[] = []
  const availableBefore = availableBytes()
  const args = ['-i', ...instanceArgs(level, session.memoryBytes), probePath, 'hold']

  async function startOne(): Promise<void> {
    const child = startRun(args, { stdin: 'pipe', abort: session.abort })
    running.push(child)
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (reason: string) =>
          reject(new HostError(`Cannot measure a ${nameOf(level)} at rest: the probe ${reason}. ${child.errors()}`))
        timer = setTimeout(() => fail('did not come up'), START_LIMIT_MS)
        child.ended.then(
          () => fail('ended early'),
          (error: Error) => fail(error.message),
        )
        onLines(child, (line) => {
          if (line === READY) resolve()
        })
      })
    } finally {
      clearTimeout(timer)
    }
    session.abort.throwIfAborted()
  }

  return {
    get count() {
      return running.length
    },
    async startMore(count) {
      for (let left = count; left > 0; left -= parallel) {
        await allOf(Array.from({ length: Math.min(parallel, left) }, startOne))
      }
    },
    async measure() {
      await pause(SETTLE_MS, session.abort)
      return {
        instances: running.length,
        ...memoryOf(running.map(({ process }) => process.pid!)),
        hostBytes: availableBefore - availableBytes(),
      }
    },
    async end() {
      await Promise.all(running.splice(0).map((child) => child.end()))
    },
  }
}

/** Waits for every one of them, so that none is still starting when the first failure is told. */
async function allOf(starts: readonly Promise<void>[]): Promise<void> {
  for (const { status, ...result } of await Promise.allSettled(starts)) {
    if (status === 'rejected') throw (result as PromiseRejectedResult).reason
  }
}

/** @throws the reason of the abort, when there is one before the time is over */
export async function pause(ms: number, abort: AbortSignal): Promise<void> {
  abort.throwIfAborted()
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer)
      abort.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    abort.addEventListener('abort', done)
  })
  abort.throwIfAborted()
}
