/**
 * Those who watch a detached instance: each gets its output from now on, and may write to its standard input. One that
 * reads too slowly is let go, since neither the program nor the others are to wait for it.
 */
import type { Socket } from 'node:net'
import { FrameError, frameReader, frames, STREAM } from '../control/frames.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { OutputStream } from '../instance/output-log.ts'

/** Output that may wait for one of them. */
const WAITING_MAX = 4 * 2 ** 20
const PARTING_MS = 1000

export interface ProgramInput {
  /** @returns false when it is to stop until `onDrain` */
  write(bytes: Buffer): boolean
  onDrain(listener: () => void): void
  end(): void
}

export class Attachments {
  readonly #sockets = new Set<Socket>()
  readonly #input: ProgramInput | undefined
  #farewell: Buffer | undefined

  /** @param input absent when the program reads none */
  constructor(input: ProgramInput | undefined) {
    this.#input = input
  }

  get takesInput(): boolean {
    return this.#input !== undefined
  }

  add(socket: Socket, wantsInput: boolean): void {
    if (this.#farewell) {
      socket.end(this.#farewell)
      socket.resume()
      return
    }
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    const input = wantsInput ? this.#input : undefined
    const onBytes = frameReader((stream, payload) => {
      if (stream !== STREAM.stdin || input === undefined) return
      if (payload.length === 0) input.end()
      else if (!input.write(Buffer.from(payload))) {
        socket.pause()
        input.onDrain(() => socket.resume())
      }
    })
    socket.on('data', (bytes) => {
      try {
        onBytes(bytes)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
        this.#dismiss(socket, `Cannot read the input: it came with ${error.message}.`)
      }
    })
    socket.resume()
  }

  output(stream: OutputStream, bytes: Uint8Array): void {
    if (this.#sockets.size === 0) return
    const framed = frames(STREAM[stream], bytes)
    for (const socket of this.#sockets) {
      socket.write(framed)
      if (socket.writableLength > WAITING_MAX) this.#dismiss(socket, 'Its output was not read fast enough.')
    }
  }

  /** Tells everybody how it ended. */
  end(result: ExitResult): void {
    this.#farewell = frames(STREAM.end, Buffer.from(JSON.stringify({ result })))
    for (const socket of this.#sockets) socket.end(this.#farewell)
    this.#sockets.clear()
  }

  #dismiss(socket: Socket, error: string): void {
    this.#sockets.delete(socket)
    socket.end(frames(STREAM.end, Buffer.from(JSON.stringify({ error }))))
    setTimeout(() => socket.destroy(), PARTING_MS).unref()
  }
}
