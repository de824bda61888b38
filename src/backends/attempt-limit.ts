/** How often something may be tried: so many times a second, and as many at once after a rest. */

/** @returns whether it may be tried now, which counts as a try */
export function createAttemptLimit(perSecond: number, atOnce: number, nowMs = () => performance.now()): () => boolean {
  let left = atOnce
  let since = nowMs()
  return () => {
    const now = nowMs()
    left = Math.min(atOnce, left + ((now - since) * perSecond) / 1000)
    since = now
    if (left < 1) return false
    left -= 1
    return true
  }
}
