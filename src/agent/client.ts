/**
 * Talks to the agent in a Linux guest. Nothing that the guest sends can do more than end this one connection: frames are
 * read with every length checked, what it may send is bounded by credit, and whatever it leaves unanswered ends by time.
 */
import { CloisterError, GuestError, UsageError } from '../errors.ts'
import { type AgentProcess, encodeStart, errnoName } from './agent-process.ts'
import { Connection } from './connection.ts'
import { Exchange, type Patience } from './exchange.ts'
import { FrameError } from './frame-reader.ts'
import { encodeConfig, type GuestConfig } from './guest-config.ts'
import { decodeConfigured, decodeHello, decodeNothing, decodeNumber, type Hello } from './messages.ts'
import { OUTPUT_WINDOW } from './output-stream.ts'
import { FRAME, PROTOCOL_VERSION, SESSIONS_MAX } from './protocol.ts'
import { type AgentSession, Session } from './session.ts'
import { Starts } from './starts.ts'
import type { AgentTransport } from './transport.ts'

export interface AgentOptions {
  /** How long the agent may take to answer anything. */
  readonly answerMs?: number
  /** While its machine is paused the agent cannot answer, and is not waited for. */
  readonly isPaused?: () => boolean
}

export interface Agent {
  /** What the agent says first on a connection. */
  hello(): Promise<Hello>
  /** Resolves when the guest is what it is to be. @throws GuestError naming the step that failed */
  configure(config: GuestConfig): Promise<void>
  /**
   * A guest that does not answer in time keeps its connection, and ends the program when it has started it after all.
   * @throws UsageError with the exit code that a shell has for a program that cannot be started
   */
  start(process: AgentProcess): Promise<AgentSession>
  /** A program that lives in the guest already, as `hello` says. */
  attach(id: number): AgentSession
  /**
   * Resolves when all programs stand still and what was read from them is here. Sessions say nothing from then on. One
   * that does not answer in time keeps its connection.
   * @param onLate told when it stands still after all: release it then
   */
  hold(onLate?: () => void): Promise<void>
  /** Ends the connection; resolves when the guest has as well, fails when it takes too long. Sessions stay, for `reconnect`. */
  detach(): Promise<void>
  /** Goes on over another connection, with all sessions. */
  reconnect(transport: AgentTransport): void
  /** After `hold`, or in a clone: first who it is, then everything goes on. Sessions not attached are ended. */
  release(config: GuestConfig): Promise<void>
  /** Kills everything; resolves when the disks are up to date. */
  shutdown(): Promise<void>
  /** Registers the one listener for the end of a connection that nobody here ended. */
  onLost(listener: (reason: CloisterError) => void): void
  /** Gives the connection up. What is pending fails. Idempotent. */
  close(): void
}

const ANSWER_MS = 30_000

export function agentClient(transport: AgentTransport, options: AgentOptions = {}): Agent {
  return new AgentClient(transport, options)
}

/** Requests to the agent itself, by the type of their answers. */
type Answer = typeof FRAME.configured | typeof FRAME.held | typeof FRAME.down

class AgentClient implements Agent {
  readonly #patience: Patience
  readonly #sessions = new Map<number, Session>()
  readonly #starts: Starts
  /** The oldest first: the agent answers in the order of asking. */
  readonly #asked = new Map<Answer, Exchange<void>[]>()
  #connection: Connection | undefined
  #hello!: Exchange<Hello>
  #greeted = false
  #lastId = 0
  #detaching: Exchange<void> | undefined
  /** A guest that was given up may still come to stand still. */
  #heldLate: (() => void) | undefined
  #failure: CloisterError | undefined
  #onLost: ((reason: CloisterError) => void) | undefined

  constructor(transport: AgentTransport, { answerMs = ANSWER_MS, isPaused = () => false }: AgentOptions) {
    this.#patience = { answerMs, isPaused, tooLate: (reason) => this.#connection?.abort(reason) }
    this.#starts = new Starts({ answerMs, isPaused })
    this.#connect(transport)
  }

  hello(): Promise<Hello> {
    return this.#hello.answer
  }

  configure(config: GuestConfig): Promise<void> {
    return this.#ask(FRAME.configure, FRAME.configured, 'what to be', encodeConfig(config))
  }

  async start(process: AgentProcess): Promise<AgentSession> {
    const payload = encodeStart(process, OUTPUT_WINDOW)
    const session = this.#newSession(this.#freeId(), process.interactive)
    this.#send(FRAME.start, session.id, payload)
    return this.#starts.add(process, session)
  }

  attach(id: number): AgentSession {
    const session = this.#newSession(id, true)
    session.reattach()
    return session
  }

  async hold(onLate: () => void = () => {}): Promise<void> {
    if (this.#heldLate)
      throw new GuestError('The agent in a guest still has to answer the last one who asked it to stand still.')
    for (const session of this.#sessions.values()) session.rest()
    const tooLate = (reason: GuestError) => {
      this.#heldLate = onLate
      this.#asked.get(FRAME.held)?.[0]?.reject(reason)
    }
    try {
      await this.#ask(FRAME.hold, FRAME.held, 'to stand still', undefined, { ...this.#patience, tooLate })
    } catch (error) {
      // Until it has stood still and was released, it is not to be told anything.
      if (!this.#heldLate) for (const session of this.#sessions.values()) session.goOn()
      throw error
    }
  }

  async detach(): Promise<void> {
    const connection = this.#open()
    const tooLate = (reason: GuestError) => {
      closed.reject(reason)
      connection.abort()
    }
    const closed = new Exchange<void>('to end the connection', { ...this.#patience, tooLate })
    this.#detaching = closed
    connection.end()
    await closed.answer
  }

  reconnect(transport: AgentTransport): void {
    if (this.#failure) throw this.#failure
    if (this.#connection) throw new Error('reconnect: there is a connection')
    this.#connect(transport)
    for (const session of this.#sessions.values()) session.reattach()
  }

  async release(config: GuestConfig): Promise<void> {
    await this.#ask(FRAME.release, FRAME.configured, 'to go on', encodeConfig(config))
    for (const session of this.#sessions.values()) session.goOn()
  }

  shutdown(): Promise<void> {
    return this.#ask(FRAME.shutdown, FRAME.down, 'to shut down')
  }

  onLost(listener: (reason: CloisterError) => void): void {
    this.#onLost = listener
  }

  close(): void {
    this.#onLost = undefined
    this.#fail(new UsageError('The connection to the agent was closed.'))
  }

  #connect(transport: AgentTransport): void {
    this.#hello = new Exchange<Hello>('for its greeting', this.#patience)
    this.#greeted = false
    this.#connection = new Connection(transport, {
      frame: (type, session, payload) => this.#take(type, session, payload),
      closed: (fault) => this.#closed(fault),
    })
  }

  #open(): Connection {
    if (this.#connection) return this.#connection
    throw this.#failure ?? new GuestError('There is no connection to the agent in the guest.')
  }

  #send(type: number, session: number, payload?: Uint8Array): void {
    this.#open().send(type, session, payload)
  }

  async #ask(
    type: number,
    answer: Answer,
    what: string,
    payload?: Uint8Array,
    patience = this.#patience,
  ): Promise<void> {
    this.#send(type, 0, payload)
    const exchange = new Exchange<void>(what, patience)
    this.#asked.set(answer, [...(this.#asked.get(answer) ?? []), exchange])
    return exchange.answer
  }

  #newSession(id: number, interactive: boolean): Session {
    this.#open()
    const session = new Session({
      id,
      interactive,
      send: (type, payload) => this.#connection?.send(type, id, payload),
    })
    this.#sessions.set(id, session)
    return session
  }

  /** Numbers come round again as late as can be. */
  #freeId(): number {
    if (this.#sessions.size >= SESSIONS_MAX) {
      throw new UsageError(`Cannot run a further program: ${SESSIONS_MAX} are running in the guest, no more can.`)
    }
    do this.#lastId = (this.#lastId % 0xffff) + 1
    while (this.#sessions.has(this.#lastId))
    return this.#lastId
  }

  #take(type: number, id: number, payload: Buffer): void {
    if (!this.#greeted) {
      this.#greet(type, payload)
    } else if (id !== 0) {
      this.#takeForSession(type, id, payload)
    } else if (type === FRAME.configured) {
      const { error, what } = decodeConfigured(payload)
      this.#answer(type, error, `Cannot set up the guest: ${printable(what)} failed with ${errnoName(error)}.`)
    } else if (type === FRAME.held) {
      const error = decodeNumber(payload)
      const late = this.#heldLate
      this.#heldLate = undefined
      if (late && error === 0) late()
      else if (late) for (const session of this.#sessions.values()) session.goOn()
      this.#answer(type, error, `Cannot hold the programs of the guest: its kernel gave ${errnoName(error)}.`)
    } else if (type === FRAME.down) {
      decodeNothing(payload)
      this.#answer(type, 0, '')
    } else {
      throw new FrameError(`a frame of type ${type} that nobody asked for`)
    }
  }

  #greet(type: number, payload: Buffer): void {
    if (type !== FRAME.hello) throw new FrameError(`a frame of type ${type} instead of a greeting`)
    const hello = decodeHello(payload)
    if (hello.version !== PROTOCOL_VERSION) {
      throw new GuestError(
        `Cannot talk to the agent in a guest: it speaks version ${hello.version}, this is ${PROTOCOL_VERSION}.`,
        { hint: 'A snapshot of another version of Cloister? Start the instance anew.' },
      )
    }
    this.#greeted = true
    for (const { id } of hello.sessions) this.#lastId = Math.max(this.#lastId, id)
    this.#hello.resolve(hello)
  }

  #answer(type: Answer, error: number, message: string): void {
    const exchange = this.#asked.get(type)?.shift()
    if (!exchange) throw new FrameError(`an answer of type ${type} that nobody waits for`)
    if (error === 0) exchange.resolve()
    else exchange.reject(new GuestError(message))
  }

  #takeForSession(type: number, id: number, payload: Buffer): void {
    const session = this.#sessions.get(id)
    const isAnswer = this.#starts.has(id) && type === FRAME.started
    if (!session || this.#starts.has(id) !== isAnswer) {
      throw new FrameError(`a frame of type ${type} for session ${id}, which is not there`)
    }
    const over = isAnswer ? this.#starts.answered(id, payload) : session.take(type, payload)
    if (over) this.#sessions.delete(id)
  }

  #closed(fault: unknown): void {
    const detaching = this.#detaching
    this.#detaching = undefined
    this.#connection = undefined
    if (detaching && fault === undefined) {
      this.#hello.reject(new GuestError('The connection to the agent was ended.'))
      detaching.resolve()
      return
    }
    const reason = describe(fault)
    detaching?.reject(reason)
    this.#fail(reason)
  }

  #fail(reason: CloisterError): void {
    if (this.#failure) return
    this.#failure = reason
    this.#connection?.abort()
    this.#connection = undefined
    this.#hello.reject(reason)
    this.#starts.fail(reason)
    for (const exchanges of this.#asked.values()) for (const exchange of exchanges) exchange.reject(reason)
    for (const session of this.#sessions.values()) session.lose(reason)
    this.#asked.clear()
    this.#sessions.clear()
    this.#onLost?.(reason)
  }
}

function describe(fault: unknown): CloisterError {
  if (fault instanceof FrameError) {
    return new GuestError(`Lost the agent in a guest: it broke the protocol, with ${fault.message}.`, { cause: fault })
  }
  if (fault instanceof CloisterError) return fault
  if (fault === undefined) return new GuestError('Lost the agent in a guest: it ended the connection.')
  const { message } = fault as Error
  return new GuestError(`Lost the agent in a guest: ${message}.`, { cause: fault })
}

/** Words of a guest reach terminals and logs. */
const printable = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
