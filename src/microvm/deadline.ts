/** For what should answer by some time: a guest that has just been started. */
import { GuestError } from '../errors.ts'

/** It may only be slow. */
export class TooLate extends GuestError {}

export interface Deadline {
  /** Rejects with TooLate, unless cleared before. */
  readonly failed: Promise<never>
  clear(): void
}

/** @param isPaused the time of a machine that stands still does not count */
export function deadline(ms: number, isPaused: () => boolean): Deadline {
  let timer: NodeJS.Timeout | undefined
  const failed = new Promise<never>((_, reject) => {
    const tick = () => {
      if (isPaused()) timer?.refresh()
      else reject(new TooLate(`Cannot go on with the guest: its agent has said nothing for ${ms / 1000} s.`))
    }
    timer = setTimeout(tick, ms).unref()
  })
  failed.catch(() => {})
  return { failed, clear: () => clearTimeout(timer) }
}
