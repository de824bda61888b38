/** A program's standard input: no more under way than the guest has room for; the writer waits with the rest. */
import { Writable } from 'node:stream'
import { FrameError } from './frame-reader.ts'
import { FRAME_MAX, STDIN_WINDOW } from './protocol.ts'

type Done = (error?: Error | null) => void

export class InputStream extends Writable {
  readonly #send: (bytes: Buffer) => void
  readonly #sendEnd: () => void
  #credit: number
  /** Nobody takes it any more. */
  #over: boolean
  #waiting: { bytes: Buffer; done: Done } | undefined
  #ending: Done | undefined
  #resting = false

  /** @param open whether the program reads anything at all */
  constructor(open: boolean, send: (bytes: Buffer) => void, sendEnd: () => void) {
    super({ highWaterMark: STDIN_WINDOW, decodeStrings: true })
    this.#credit = open ? STDIN_WINDOW : 0
    this.#over = !open
    this.#send = send
    this.#sendEnd = sendEnd
  }

  get credit(): number {
    return this.#credit
  }

  /** @throws FrameError for more than the guest could have taken */
  granted(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > STDIN_WINDOW) throw new FrameError('more credit for standard input than it took')
    this.#move()
  }

  /** Until `renewed`, nothing leaves. */
  rest(): void {
    this.#resting = true
  }

  renewed(credit: number, ended: boolean): void {
    if (credit > STDIN_WINDOW) throw new FrameError('more credit for standard input than there is')
    this.#resting = false
    this.#credit = credit
    this.#over ||= ended
    this.#move()
  }

  /** The program has ended: what still comes goes nowhere, without an error. */
  finish(): void {
    this.#over = true
    this.#resting = false
    this.#move()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#waiting = { bytes, done }
    this.#move()
  }

  override _final(done: Done): void {
    this.#ending = done
    this.#move()
  }

  override _destroy(error: Error | null, done: Done): void {
    if (!this.writableFinished && !this.#over) this.#sendEnd()
    this.#over = true
    this.#waiting = undefined
    done(error)
  }

  #move(): void {
    if (this.#resting) return
    const { bytes, done } = this.#waiting ?? {}
    if (bytes && done) {
      const sent = this.#over ? bytes.length : this.#part(bytes)
      if (sent < bytes.length) {
        this.#waiting = { bytes: bytes.subarray(sent), done }
        return
      }
      this.#waiting = undefined
      done()
    }
    const ending = this.#ending
    if (!ending || this.#waiting) return
    this.#ending = undefined
    if (!this.#over) this.#sendEnd()
    ending()
  }

  /** @returns how much of it left */
  #part(bytes: Buffer): number {
    let sent = 0
    while (sent < bytes.length && this.#credit > 0) {
      const piece = bytes.subarray(sent, sent + Math.min(this.#credit, FRAME_MAX))
      this.#send(piece)
      this.#credit -= piece.length
      sent += piece.length
    }
    return sent
  }
}
