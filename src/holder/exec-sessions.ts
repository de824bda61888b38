/** The further programs that were started in an instance, each with the connection that asked for it. */
import type { Socket } from 'node:net'
import { UsageError } from '../errors.ts'
import type { ExecSession } from '../instance/exec.ts'
import type { ExitResult } from '../instance/instance.ts'
import { ExecStream } from './exec-stream.ts'

/** Each is a few processes of the host or of the guest. */
const SESSIONS_MAX = 16

export class ExecSessions {
  readonly #live = new Set<ExecStream>()
  #starting = 0
  #over: ExitResult | undefined

  /** @param start may refuse by an exception. @returns what to do with the connection @throws UsageError */
  async open(start: () => Promise<ExecSession>): Promise<(socket: Socket) => void> {
    if (this.#live.size + this.#starting >= SESSIONS_MAX) {
      throw new UsageError(`Cannot start a further program: ${SESSIONS_MAX} were started in it that have not ended.`, {
        hint: 'Try again when one of them is done.',
      })
    }
    this.#starting++
    let session: ExecSession
    try {
      session = await start()
    } finally {
      this.#starting--
    }
    const stream = new ExecStream(session, () => this.#live.delete(stream))
    this.#live.add(stream)
    return (socket) => {
      stream.connect(socket)
      if (this.#over) stream.end(this.#over)
    }
  }

  /** The instance has ended, and they with it. */
  end(result: ExitResult): void {
    this.#over = result
    for (const stream of this.#live) stream.end(result)
  }
}
