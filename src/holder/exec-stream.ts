/**
 * One further program and the connection that asked for it. Neither waits for the other in memory of ours: output is read
 * when the connection takes it, and input is let in as the program reads it. A connection that goes away ends the program.
 */
import type { Socket } from 'node:net'
import { parseSize } from '../control/exec-request.ts'
import { wholeNumber } from '../control/fields.ts'
import { FrameError, frameReader, frames, INPUT_WINDOW, STREAM } from '../control/frames.ts'
import { SIGNO_MAX } from '../control/protocol.ts'
import { UsageError } from '../errors.ts'
import type { ExecSession } from '../instance/exec.ts'
import type { ExitResult } from '../instance/instance.ts'
import { farewell } from './attachment.ts'

/** One who does not keep to the protocol has this long to hear why the connection ends. */
const PARTING_MS = 1000

export class ExecStream {
  readonly #session: ExecSession
  readonly #gone: () => void
  #socket: Socket | undefined
  /** The last frame is written, or nobody is there to read it. */
  #over = false
  /** Of standard input that the client may still send, and what was read since it was told. */
  #window = INPUT_WINDOW
  #taken = 0

  /** @param gone told once, when both are done with each other */
  constructor(session: ExecSession, gone: () => void) {
    this.#session = session
    this.#gone = gone
    // The program need not read its input, and may end before it has.
    session.stdin.on('error', () => session.stdin.destroy())
  }

  connect(socket: Socket): void {
    if (socket.destroyed) {
      this.#close()
      return
    }
    this.#socket = socket
    const { stdin, stdout, stderr } = this.#session
    const outputs = [stdout, stderr] as const
    socket.on('close', () => this.#close())
    socket.on('drain', () => {
      for (const output of outputs) output.resume()
    })
    const finished = outputs.map((output, at) => {
      output.on('data', (bytes: Buffer) => this.#send(at === 0 ? STREAM.stdout : STREAM.stderr, bytes))
      output.on('error', () => output.destroy())
      return new Promise((resolve) => output.once('close', resolve))
    })
    void this.#session.wait().then(
      async (result) => {
        stdin.destroy()
        await Promise.all(finished)
        this.end(result)
      },
      (error: Error) => this.#dismiss(error.message),
    )
    this.#listen(socket)
  }

  /** Says how it ended; the first time only. */
  end(result: ExitResult): void {
    this.#part({ result })
  }

  #listen(socket: Socket): void {
    const onBytes = frameReader((stream, payload) => this.#take(stream, payload))
    const onData = (bytes: Buffer) => {
      try {
        onBytes(bytes)
      } catch (error) {
        if (!(error instanceof FrameError || error instanceof UsageError || error instanceof SyntaxError)) throw error
        socket.off('data', onData)
        this.#dismiss(`it was sent ${error instanceof FrameError ? error.message : 'what is no request'}`)
        socket.resume()
      }
    }
    socket.on('data', onData)
    socket.resume()
  }

  #take(stream: number, payload: Buffer): void {
    switch (stream) {
      case STREAM.stdin:
        this.#input(payload)
        break
      case STREAM.signal:
        this.#session.signal(wholeNumber(JSON.parse(payload.toString()), 'signo', 1, SIGNO_MAX))
        break
      case STREAM.resize:
        this.#session.resize(parseSize(JSON.parse(payload.toString())))
        break
    }
  }

  #input(payload: Buffer): void {
    const { stdin } = this.#session
    if (payload.length === 0) {
      stdin.end()
      return
    }
    this.#window -= payload.length
    if (this.#window < 0) throw new FrameError('more input than it was let send')
    if (stdin.destroyed || stdin.writableEnded) this.#read(payload.length)
    else stdin.write(Buffer.from(payload), () => this.#read(payload.length))
  }

  /** Told in large steps: each is a frame, and an answer to nothing. */
  #read(length: number): void {
    this.#taken += length
    if (this.#taken < INPUT_WINDOW / 2) return
    this.#window += this.#taken
    this.#send(STREAM.window, Buffer.from(JSON.stringify({ bytes: this.#taken })))
    this.#taken = 0
  }

  #send(stream: number, bytes: Buffer): void {
    if (this.#over || !this.#socket) return
    if (this.#socket.write(frames(stream, bytes))) return
    this.#session.stdout.pause()
    this.#session.stderr.pause()
  }

  #dismiss(error: string): void {
    this.#part({ error })
    this.#session.abandon()
    const socket = this.#socket
    if (socket) setTimeout(() => socket.destroy(), PARTING_MS).unref()
  }

  #part(content: { readonly result: ExitResult } | { readonly error: string }): void {
    if (this.#over) return
    this.#over = true
    this.#socket?.end(farewell(content))
    // The peer may have said nothing yet that ends the connection on its side.
    this.#socket?.resume()
    this.#gone()
  }

  /** Nobody is there any more. */
  #close(): void {
    if (this.#over) return
    this.#over = true
    this.#session.abandon()
    for (const output of [this.#session.stdout, this.#session.stderr]) output.destroy()
    // It counts until it has ended.
    void this.#session.wait().then(this.#gone, this.#gone)
  }
}
