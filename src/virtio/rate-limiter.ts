/**
 * Holds a queue to so many bytes and operations a second: a token bucket for each. An operation may begin while no
 * bucket is in debt, and then takes what it needs, in debt if it must: a request larger than a bucket passes too, and
 * the ones after it wait. In any stretch of time, what passes is the rate times that time, one burst, one operation.
 */
import { HostError } from '../errors.ts'
import type { Json } from './saved-state.ts'

/** Plain JSON. What is left out is not limited. */
export interface RateLimit {
  readonly bytesPerSecond?: number
  readonly operationsPerSecond?: number
}

/** Milliseconds, from any starting point, that never run backwards. */
export interface Clock {
  now(): number
  /** Runs a task once, about so many whole milliseconds from now. @returns how to call it off */
  after(ms: number, task: () => void): () => void
}

/** What may pass at once after a rest, in time: enough to hide that timers come late. */
const BURST_MS = 100
/** A timer of Node's holds 24 days; asking again now and then costs nothing. */
const LONGEST_WAIT_MS = 60_000

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #at: number

  constructor(perSecond: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#burst = this.#perMs * BURST_MS
    this.#tokens = this.#burst
    this.#at = now
  }

  /** Milliseconds until it is out of debt. */
  wait(now: number): number {
    return Math.max(0, -this.tokens(now) / this.#perMs)
  }

  /** Less than none is debt. */
  tokens(now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs)
    this.#at = Math.max(this.#at, now)
    return this.#tokens
  }

  /** A negative amount gives back. */
  take(amount: number, now: number): void {
    this.#tokens = Math.min(this.#burst, this.tokens(now) - amount)
  }

  restore(tokens: number): void {
    this.#tokens = Math.min(this.#burst, tokens)
  }
}

export class RateLimiter {
  readonly #clock: Clock
  readonly #onReady: () => void
  readonly #bytes: TokenBucket | undefined
  readonly #operations: TokenBucket | undefined
  #callOff: (() => void) | undefined

  /** @param onReady called once after each `ready` that said no, when it is worth asking again */
  constructor({ bytesPerSecond, operationsPerSecond }: RateLimit, clock: Clock, onReady: () => void) {
    this.#clock = clock
    this.#onReady = onReady
    this.#bytes = bytesPerSecond === undefined ? undefined : new TokenBucket(bytesPerSecond, clock.now())
    this.#operations = operationsPerSecond === undefined ? undefined : new TokenBucket(operationsPerSecond, clock.now())
  }

  /** Whether an operation may begin now. If not, one timer runs. */
  ready(): boolean {
    const now = this.#clock.now()
    const wait = Math.max(this.#bytes?.wait(now) ?? 0, this.#operations?.wait(now) ?? 0)
    if (wait === 0) return true
    this.#callOff ??= this.#clock.after(Math.min(Math.ceil(wait), LONGEST_WAIT_MS), () => {
      this.#callOff = undefined
      this.#onReady()
    })
    return false
  }

  /** An operation begins. */
  take(bytes: number): void {
    const now = this.#clock.now()
    this.#bytes?.take(bytes, now)
    this.#operations?.take(1, now)
  }

  /** Of the bytes taken for an operation, so many did not move after all. */
  giveBack(bytes: number): void {
    if (bytes > 0) this.#bytes?.take(-bytes, this.#clock.now())
  }

  /** No timer runs any more. What was taken stays taken: a guest does not get around its limit by a reset. */
  stop(): void {
    this.#callOff?.()
    this.#callOff = undefined
  }

  save(): Json {
    const now = this.#clock.now()
    return { bytes: this.#bytes?.tokens(now) ?? null, operations: this.#operations?.tokens(now) ?? null }
  }

  /** A limit that was not there when the state was saved starts full. @throws HostError for a state of another shape */
  restore(state: Json | undefined): void {
    const { bytes = null, operations = null } = (state ?? {}) as { bytes?: Json; operations?: Json }
    for (const [bucket, tokens] of [
      [this.#bytes, bytes],
      [this.#operations, operations],
    ] as const) {
      if (tokens === null) continue
      if (typeof tokens !== 'number' || !Number.isFinite(tokens))
        throw new HostError('Cannot restore a rate limiter: its saved state holds no number of tokens.')
      bucket?.restore(tokens)
    }
  }
}

export const steadyClock: Clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  after: (ms, task) => {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
}
