/**
 * One who watches a detached instance, at a pace of its own: what it has not read yet waits here, up to a limit. Past
 * that it loses the rest and is told so when it reads again; the program and the others wait for nobody.
 */
import type { Socket } from 'node:net'
import { frames, STREAM } from '../control/frames.ts'

/** Output that may wait for one of them. */
const WAITING_MAX = 4 * 2 ** 20

export class Attachment {
  readonly #socket: Socket
  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** Nothing comes after what waits. */
  #last = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('drain', () => this.#flush())
  }

  send(framed: Buffer): void {
    if (this.#last) return
    this.#waiting.push(framed)
    this.#waitingBytes += framed.length
    if (this.#waitingBytes > WAITING_MAX) this.dismiss('its output was not read fast enough')
    else this.#flush()
  }

  /** Drops what waits in favour of the reason. */
  dismiss(error: string): void {
    if (this.#last) return
    this.#waiting = [farewell({ error })]
    this.#last = true
    this.#flush()
  }

  /** Hands all over that waits, and the last frame. */
  end(last: Buffer): void {
    if (!this.#last) this.#waiting.push(last)
    this.#last = true
    for (const framed of this.#waiting.splice(0)) this.#socket.write(framed)
    this.#socket.end()
  }

  #flush(): void {
    while (!this.#socket.writableNeedDrain) {
      const framed = this.#waiting.shift()
      if (framed === undefined) break
      this.#waitingBytes -= framed.length
      this.#socket.write(framed)
    }
    if (this.#last && this.#waiting.length === 0) this.#socket.end()
  }
}

/** The frame that tells how it ended, or why the connection is given up. */
export const farewell = (content: object): Buffer => frames(STREAM.end, Buffer.from(JSON.stringify(content)))
