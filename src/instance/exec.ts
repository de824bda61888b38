/** A further program in a running instance, beside its own: what is asked for, and what whoever asked holds of it. */
import type { Readable, Writable } from 'node:stream'
import type { ExitResult, TerminalSize } from './instance.ts'
import type { UserSpec } from './run-spec.ts'

/** Programs of ours that every instance has inside, whatever its files are; argv are their arguments. */
export const GUEST_TOOLS = ['copy-in', 'copy-out', 'processes'] as const
export type GuestTool = (typeof GUEST_TOOLS)[number]

export interface ExecSpec {
  /** argv[0] is looked up in PATH when it has no slash. */
  readonly argv: readonly string[]
  /** Instead of a program of the instance's. */
  readonly tool?: GuestTool
  /** `K=V` strings, over those that the instance's own program was given. */
  readonly env: readonly string[]
  /** That of the instance's own program unless said; so is the user. */
  readonly cwd?: string
  readonly user?: UserSpec
  /** Whether anything is to be read from standard input; otherwise it is at its end. */
  readonly interactive: boolean
  /** A terminal of its own, as large as this. */
  readonly tty?: TerminalSize
}

export interface ExecSession {
  readonly stdin: Writable
  readonly stdout: Readable
  /** With a terminal nothing comes here. */
  readonly stderr: Readable
  /** Resolves once, when it has ended; its output may still be on the way. */
  wait(): Promise<ExitResult>
  /** A Linux signal number. */
  signal(signo: number): void
  resize(size: TerminalSize): void
  /** Whoever asked is gone: it is told so (SIGHUP), and ended. Idempotent. */
  abandon(): void
}
