/** How much has gone by, for a person at a terminal who waits longer than a moment. */
import { createProgress } from './progress.ts'

const PATIENCE_MS = 1000
const AGAIN_MS = 250

export interface Counted {
  /** The same bytes. */
  count(from: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined>
  end(): void
}

export function countingProgress(what: string): Counted {
  const progress = createProgress({ silent: process.stderr.isTTY !== true })
  const began = Date.now()
  let bytes = 0
  let told = false
  const timer = setInterval(() => {
    if (Date.now() - began < PATIENCE_MS) return
    told = true
    progress.tell(what, `${(bytes / 2 ** 20).toFixed(1)} MiB`)
  }, AGAIN_MS)
  timer.unref()
  return {
    async *count(from) {
      for await (const part of from) {
        bytes += part.length
        yield part
      }
    },
    end() {
      clearInterval(timer)
      if (told) progress.end()
    },
  }
}
