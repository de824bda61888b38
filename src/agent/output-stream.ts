/** One of a program's two output streams: the guest sends no more of it than the reader here has made room for. */
import { Readable } from 'node:stream'
import { FrameError } from './frame-reader.ts'

/** What may wait here, or be on its way, for each stream. */
export const OUTPUT_WINDOW = 128 * 1024

export class OutputStream extends Readable {
  readonly #grant: (bytes: number) => void
  /** Granted, and not here yet. */
  #underWay = OUTPUT_WINDOW

  /** @param grant tells the guest; the first window goes with whatever made the session */
  constructor(grant: (bytes: number) => void) {
    super({ highWaterMark: OUTPUT_WINDOW })
    this.#grant = grant
  }

  /** @throws FrameError for more than was granted */
  arrived(bytes: Buffer): void {
    if (bytes.length > this.#underWay) {
      throw new FrameError(`${bytes.length - this.#underWay} bytes of output more than it was granted`)
    }
    this.#underWay -= bytes.length
    // Nobody reads a stream that was destroyed: the program goes on all the same.
    if (!this.destroyed && bytes.length > 0) this.push(bytes)
    this.#replenish()
  }

  finish(): void {
    if (!this.destroyed) this.push(null)
  }

  /** The window for a new connection: whatever was on its way over the old one has arrived. */
  renewed(): number {
    this.#underWay = OUTPUT_WINDOW - this.readableLength
    return this.#underWay
  }

  /** Called before what is being read has left the buffer. */
  override _read(): void {
    queueMicrotask(() => this.#replenish())
  }

  /** Seldom, in large pieces; but never so late that nothing more would come to ask again. */
  #replenish(): void {
    const free = OUTPUT_WINDOW - this.#underWay - (this.destroyed ? 0 : this.readableLength)
    if (free <= 0 || (free < OUTPUT_WINDOW / 2 && this.#underWay > OUTPUT_WINDOW / 4)) return
    this.#underWay += free
    this.#grant(free)
  }
}
