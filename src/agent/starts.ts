/** Programs that a guest was asked to start. One that it starts too late for whoever asked is told to end. */
import type { CloisterError, GuestError } from '../errors.ts'
import { type AgentProcess, startFailure } from './agent-process.ts'
import { Exchange, type Patience } from './exchange.ts'
import { decodeStarted } from './messages.ts'
import type { AgentSession, Session } from './session.ts'

interface Start {
  readonly process: AgentProcess
  readonly session: Session
  readonly exchange: Exchange<AgentSession>
  late: boolean
}

export class Starts {
  readonly #patience: Omit<Patience, 'tooLate'>
  readonly #unanswered = new Map<number, Start>()

  constructor(patience: Omit<Patience, 'tooLate'>) {
    this.#patience = patience
  }

  /** A guest may be busy: that it does not answer in time is the end of this start alone. */
  add(process: AgentProcess, session: Session): Promise<AgentSession> {
    const tooLate = (reason: GuestError) => {
      start.late = true
      exchange.reject(reason)
    }
    const exchange = new Exchange<AgentSession>(`to run ${process.argv[0]}`, { ...this.#patience, tooLate })
    const start: Start = { process, session, exchange, late: false }
    this.#unanswered.set(session.id, start)
    return exchange.answer
  }

  has(id: number): boolean {
    return this.#unanswered.has(id)
  }

  /** Of one that is there. @returns whether its session is over. @throws FrameError */
  answered(id: number, payload: Buffer): boolean {
    const { process, session, exchange, late } = this.#unanswered.get(id)!
    const started = decodeStarted(payload)
    this.#unanswered.delete(id)
    const failure = startFailure(process, started)
    if (failure) {
      session.lose(failure)
      exchange.reject(failure)
      return true
    }
    session.started(started.pid)
    if (late) session.disown()
    exchange.resolve(session)
    return false
  }

  fail(reason: CloisterError): void {
    for (const { exchange } of this.#unanswered.values()) exchange.reject(reason)
    this.#unanswered.clear()
  }
}
