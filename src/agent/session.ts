/** A program in the guest, as whoever asked for it holds it; it outlives the connection that it was started over. */
import type { Readable, Writable } from 'node:stream'
import { type CloisterError, GuestError } from '../errors.ts'
import type { ExecSession } from '../instance/exec.ts'
import type { ExitResult, TerminalSize } from '../instance/instance.ts'
import { FrameError } from './frame-reader.ts'
import { InputStream } from './input-stream.ts'
import { decodeAttached, decodeExit, decodeNumber } from './messages.ts'
import { OutputStream } from './output-stream.ts'
import { FRAME } from './protocol.ts'
import { PayloadWriter } from './wire.ts'

const SIGNAL_MAX = 64
/** What may be asked of a program while its guest cannot be told. */
const UNSAID_MAX = 64

export interface AgentSession extends ExecSession {
  readonly id: number
  /** In the guest; 0 until it has said so. */
  readonly pid: number
}

export interface SessionWiring {
  readonly id: number
  /** Whether the program reads anything from its standard input. */
  readonly interactive: boolean
  /** A frame of this session's to the guest. */
  readonly send: (type: number, payload?: Uint8Array) => void
}

export class Session implements AgentSession {
  readonly id: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  readonly #input: InputStream
  readonly #output: OutputStream
  readonly #errors: OutputStream
  readonly #send: SessionWiring['send']
  readonly #ended: Promise<ExitResult>
  #settle: { resolve(result: ExitResult): void; reject(reason: unknown): void } | undefined
  /** Frames for later, while the guest is not to be told anything. */
  #unsaid: [type: number, payload: Uint8Array | undefined][] | undefined
  /** Room that was made meanwhile. A new connection is told of all of it. */
  readonly #owed = new Map<number, number>()
  #pid = 0

  constructor({ id, interactive, send }: SessionWiring) {
    this.id = id
    this.#send = send
    this.#ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.#ended.catch(() => undefined)
    const sendInput = (bytes: Buffer) => send(FRAME.stdin, bytes)
    this.#input = new InputStream(interactive, sendInput, () => this.#say(FRAME.stdinEof))
    this.#output = new OutputStream((bytes) => this.#grant(FRAME.stdoutCredit, bytes))
    this.#errors = new OutputStream((bytes) => this.#grant(FRAME.stderrCredit, bytes))
    this.stdin = this.#input
    this.stdout = this.#output
    this.stderr = this.#errors
  }

  get pid(): number {
    return this.#pid
  }

  wait(): Promise<ExitResult> {
    return this.#ended
  }

  signal(signo: number): void {
    if (signo >= 1 && signo <= SIGNAL_MAX) this.#say(FRAME.signal, new PayloadWriter().u32(signo).end())
  }

  resize({ cols, rows }: TerminalSize): void {
    const size = new PayloadWriter().u16(Math.min(cols, 0xffff)).u16(Math.min(rows, 0xffff)).end()
    this.#say(FRAME.resize, size)
  }

  abandon(): void {
    this.#say(FRAME.abandon)
  }

  /** Nobody has it, and nobody will: its output is dropped. */
  disown(): void {
    this.stdout.destroy()
    this.stderr.destroy()
    this.abandon()
  }

  started(pid: number): void {
    this.#pid = pid
  }

  /** Nothing is said to the guest from now on, until `goOn` or `reattach`. */
  rest(): void {
    this.#unsaid ??= []
    this.#input.rest()
  }

  /** Over the connection that it rested on. */
  goOn(): void {
    if (!this.#unsaid) return
    this.#sayUnsaid()
    for (const [type, bytes] of this.#owed) this.#grant(type, bytes)
    this.#owed.clear()
    this.#input.renewed(this.#input.credit, false)
  }

  /** Over a connection that does not know of it yet. Standard input waits for the answer. */
  reattach(): void {
    this.#input.rest()
    this.#owed.clear()
    const windows = new PayloadWriter().u32(this.#output.renewed()).u32(this.#errors.renewed())
    this.#send(FRAME.attach, windows.end())
    this.#sayUnsaid()
  }

  /** @returns whether it is over. @throws FrameError for what cannot be */
  take(type: number, payload: Buffer): boolean {
    switch (type) {
      case FRAME.stdout:
        this.#output.arrived(payload)
        return false
      case FRAME.stderr:
        this.#errors.arrived(payload)
        return false
      case FRAME.stdinCredit:
        this.#input.granted(decodeNumber(payload))
        return false
      case FRAME.attached:
        return this.#attached(payload)
      case FRAME.exit:
        this.#exited(payload)
        return true
      default:
        throw new FrameError(`a frame of type ${type} for a session`)
    }
  }

  /** Nothing more will be heard of it. What came before can still be read. */
  lose(reason: CloisterError): void {
    this.#settle?.reject(reason)
    this.#close()
  }

  #attached(payload: Buffer): boolean {
    const { ended, pid, inputEnded, stdinCredit } = decodeAttached(payload)
    if (ended && pid === 0) {
      this.lose(new GuestError('Lost a program in a guest: it is not there any more.'))
      return true
    }
    this.#pid = pid
    this.#input.renewed(stdinCredit, inputEnded)
    return false
  }

  #exited(payload: Buffer): void {
    const { code, signal, outOfMemory } = decodeExit(payload)
    if (code > 255 || signal > SIGNAL_MAX) throw new FrameError(`exit status ${code}, signal ${signal}`)
    const exitCode = signal > 0 ? 128 + signal : code
    this.#settle?.resolve({ exitCode, ...(outOfMemory && { outOfMemory }) })
    this.#close()
  }

  #close(): void {
    this.#settle = undefined
    this.#input.finish()
    this.#output.finish()
    this.#errors.finish()
  }

  #grant(type: number, bytes: number): void {
    if (!this.#settle) return
    if (this.#unsaid) this.#owed.set(type, (this.#owed.get(type) ?? 0) + bytes)
    else this.#send(type, new PayloadWriter().u32(bytes).end())
  }

  #say(type: number, payload?: Uint8Array): void {
    if (!this.#settle) return
    if (!this.#unsaid) this.#send(type, payload)
    else if (this.#unsaid.length < UNSAID_MAX) {
      // Of sizes only the last one counts.
      this.#unsaid = this.#unsaid.filter(([other]) => other !== FRAME.resize || type !== FRAME.resize)
      this.#unsaid.push([type, payload])
    }
  }

  #sayUnsaid(): void {
    const unsaid = this.#unsaid ?? []
    this.#unsaid = undefined
    for (const [type, payload] of unsaid) this.#send(type, payload)
  }
}
