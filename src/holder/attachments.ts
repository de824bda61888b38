/** Those who watch a detached instance: each gets its output from now on, and may write to its standard input. */
import type { Socket } from 'node:net'
import { FrameError, frameReader, frames, STREAM } from '../control/frames.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { OutputStream } from '../instance/output-log.ts'
import { Attachment, farewell } from './attachment.ts'

/** One who does not keep to the protocol has this long to hear why the connection ends. */
const PARTING_MS = 1000

export interface ProgramInput {
  /** @returns false when it is to stop until `onDrain` */
  write(bytes: Buffer): boolean
  onDrain(listener: () => void): void
  end(): void
}

export class Attachments {
  readonly #all = new Set<Attachment>()
  readonly #input: ProgramInput | undefined
  #farewell: Buffer | undefined

  /** @param input absent when the program reads none */
  constructor(input: ProgramInput | undefined) {
    this.#input = input
  }

  add(socket: Socket, wantsInput: boolean): void {
    if (this.#farewell) {
      socket.end(this.#farewell)
      socket.resume()
      return
    }
    const attachment = new Attachment(socket)
    this.#all.add(attachment)
    socket.on('close', () => this.#all.delete(attachment))
    const input = wantsInput ? this.#input : undefined
    const onBytes = frameReader((stream, payload) => {
      if (stream !== STREAM.stdin || input === undefined) return
      if (payload.length === 0) input.end()
      else if (!input.write(Buffer.from(payload))) {
        socket.pause()
        input.onDrain(() => socket.resume())
      }
    })
    const onData = (bytes: Buffer) => {
      try {
        onBytes(bytes)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
        socket.off('data', onData)
        attachment.dismiss(`its input came with ${error.message}`)
        setTimeout(() => socket.destroy(), PARTING_MS).unref()
        socket.resume()
      }
    }
    socket.on('data', onData)
    socket.resume()
  }

  output(stream: OutputStream, bytes: Uint8Array): void {
    if (this.#all.size === 0) return
    const framed = frames(STREAM[stream], bytes)
    for (const attachment of this.#all) attachment.send(framed)
  }

  /** Tells everybody how it ended. */
  end(result: ExitResult): void {
    this.#farewell = farewell({ result })
    for (const attachment of this.#all) attachment.end(this.#farewell)
    this.#all.clear()
  }
}
