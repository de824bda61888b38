/** An answer that is waited for, not for ever. */
import { GuestError } from '../errors.ts'

export interface Patience {
  readonly answerMs: number
  /** The time of a machine that stands still does not count. */
  readonly isPaused: () => boolean
  /** It has been silent for too long. */
  readonly tooLate: (reason: GuestError) => void
}

export class Exchange<T> {
  readonly answer: Promise<T>
  #settle: { resolve(value: T): void; reject(reason: unknown): void } | undefined
  readonly #timer: NodeJS.Timeout

  /** @param what completes "it was asked ..." */
  constructor(what: string, { answerMs, isPaused, tooLate }: Patience) {
    this.answer = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever asks several things at once hears of the first failure.
    this.answer.catch(() => undefined)
    this.#timer = setTimeout(() => {
      if (isPaused()) this.#timer.refresh()
      else tooLate(new GuestError(`The agent in a guest did not answer in ${answerMs / 1000} s: it was asked ${what}.`))
    }, answerMs).unref()
  }

  resolve(value: T): void {
    this.#end()?.resolve(value)
  }

  reject(reason: unknown): void {
    this.#end()?.reject(reason)
  }

  #end() {
    clearTimeout(this.#timer)
    const settle = this.#settle
    this.#settle = undefined
    return settle
  }
}
