/** The straight line through measured points, by least squares, and how well the points pin its slope down. */
import type { Slope } from './comparison.ts'

export interface Point {
  readonly instances: number
  readonly bytes: number
}

/** @param points of at least two different numbers of instances */
export function fitLine(points: readonly Point[]): Slope {
  const count = points.length
  const mean = (pick: (point: Point) => number) => points.reduce((sum, point) => sum + pick(point), 0) / count
  const [meanX, meanY] = [mean(({ instances }) => instances), mean(({ bytes }) => bytes)]
  const sum = (term: (point: Point) => number) => points.reduce((total, point) => total + term(point), 0)
  const squaresX = sum(({ instances }) => (instances - meanX) ** 2)
  const slope = sum(({ instances, bytes }) => (instances - meanX) * (bytes - meanY)) / squaresX
  const intercept = meanY - slope * meanX
  const residuals = sum(({ instances, bytes }) => (bytes - intercept - slope * instances) ** 2)
  return {
    bytesPerInstance: slope,
    interceptBytes: intercept,
    standardErrorBytes: count < 3 ? null : Math.sqrt(residuals / (count - 2) / squaresX),
  }
}

/** How uncertain the slope is, in parts of itself; infinite where nothing is known of it. */
export function relativeError({ bytesPerInstance, standardErrorBytes }: Slope): number {
  if (standardErrorBytes === null || bytesPerInstance <= 0) return Number.POSITIVE_INFINITY
  return standardErrorBytes / bytesPerInstance
}
