/** Flushes in a row: what comes while one is under way waits for the next, which serves all that came meanwhile. */
import type { DiskDone } from './disk.ts'

type Flush = (done: DiskDone) => void

export function oneAtATime(flush: Flush): Flush {
  let running = false
  let waiting: DiskDone[] = []
  const run = (): void => {
    const served = waiting
    waiting = []
    running = true
    flush((errno) => {
      running = false
      if (waiting.length > 0) run()
      for (const done of served) done(errno)
    })
  }
  return (done) => {
    waiting.push(done)
    if (!running) run()
  }
}
