/**
 * What can be asked on an instance's control socket, `<instance directory>/control.sock`: one JSON object a line, one
 * answer a line, in order. docs/control-socket.md is this file in words.
 *
 * Only the instance's own user and root are answered. Whatever arrives is still checked field by field: what is no
 * request is refused, and what is no line costs its connection, never the instance.
 */
import { UsageError } from '../errors.ts'
import type { ExecSpec } from '../instance/exec.ts'
import type { ExitResult, SnapshotFacts, Usage } from '../instance/instance.ts'
import { parseExec } from './exec-request.ts'
import { absolutePath, WINDOW_MAX, wholeNumber } from './fields.ts'

export type ControlRequest =
  /** Delivers a Linux signal number to the program. */
  | { readonly verb: 'signal'; readonly signo: number }
  /** SIGTERM, and when it has not ended after that time, the end. */
  | { readonly verb: 'stop'; readonly graceMs: number }
  /** Ends it at once. `removed`: its record is about to go. */
  | { readonly verb: 'kill'; readonly removed: boolean }
  /** The terminal of whoever is attached has another size. */
  | { readonly verb: 'resize'; readonly cols: number; readonly rows: number }
  | { readonly verb: 'pause' }
  | { readonly verb: 'resume' }
  /** Another memory limit, or another amount of memory for the guest to live with. */
  | { readonly verb: 'update'; readonly memoryBytes: number }
  | { readonly verb: 'stats' }
  /** Saves it into a directory, which comes to be; `base`: what differs from the snapshot in that one. */
  | { readonly verb: 'snapshot'; readonly directory: string; readonly base?: string }
  /** Answered when it has ended and its record says so. */
  | { readonly verb: 'wait' }
  /** Turns the connection into a stream of frames (frames.ts). */
  | { readonly verb: 'attach'; readonly input: boolean }
  /** Starts a further program in it, and turns the connection into its streams. */
  | ({ readonly verb: 'exec' } & ExecSpec)

export type Verb = ControlRequest['verb']
/** The connection asks no more after these. */
export type StreamVerb = 'attach' | 'exec'
export type PlainRequest = Exclude<ControlRequest, { verb: StreamVerb }>
export type RequestOf<V extends Verb> = Extract<ControlRequest, { verb: V }>

export interface StatsAnswer {
  readonly usage: Usage
  /** Of CLOCK_MONOTONIC, when `usage` was read. */
  readonly atNs: number
}

/** What comes back beside `ok`, by verb. */
export interface Answers {
  signal: object
  stop: { readonly result: ExitResult }
  kill: { readonly result: ExitResult }
  resize: object
  pause: object
  resume: object
  update: object
  stats: StatsAnswer
  snapshot: { readonly snapshot: SnapshotFacts }
  wait: { readonly result: ExitResult }
  attach: object
  exec: object
}

export interface Refusal {
  readonly ok: false
  /** `exitCode`: with which a command ends for it, where that is not 125. */
  readonly error: { readonly message: string; readonly hint?: string; readonly exitCode?: number }
}

export type Reply<V extends Verb = Verb> = ({ readonly ok: true } & Answers[V]) | Refusal

/**
 * Bytes of a request line: arguments and environment of a program are the long ones. Linux takes two MiB of them, and
 * people a few KiB.
 */
export const REQUEST_MAX = 256 * 1024
export const SIGNO_MAX = 64
const GRACE_MAX_MS = 24 * 3600 * 1000

/** @throws UsageError */
export function parseRequest(line: string): ControlRequest {
  let asked: Record<string, unknown>
  try {
    asked = JSON.parse(line) as Record<string, unknown>
  } catch {
    throw new UsageError('Cannot read the request: it is not JSON.')
  }
  const number = (name: string, min: number, max: number) => wholeNumber(asked, name, min, max)
  switch (asked?.verb) {
    case 'signal':
      return { verb: 'signal', signo: number('signo', 1, SIGNO_MAX) }
    case 'stop':
      return { verb: 'stop', graceMs: number('graceMs', 0, GRACE_MAX_MS) }
    case 'kill':
      return { verb: 'kill', removed: asked.removed === true }
    case 'update':
      return { verb: 'update', memoryBytes: number('memoryBytes', 1, Number.MAX_SAFE_INTEGER) }
    case 'resize':
      return { verb: 'resize', cols: number('cols', 1, WINDOW_MAX), rows: number('rows', 1, WINDOW_MAX) }
    case 'attach':
      return { verb: 'attach', input: asked.input === true }
    case 'snapshot':
      return {
        verb: 'snapshot',
        directory: absolutePath(asked, 'directory'),
        ...(asked.base === undefined ? {} : { base: absolutePath(asked, 'base') }),
      }
    case 'exec':
      return { verb: 'exec', ...parseExec(asked) }
    case 'pause':
    case 'resume':
    case 'stats':
    case 'wait':
      return { verb: asked.verb }
    default:
      throw new UsageError(`Cannot read the request: there is no verb ${JSON.stringify(asked?.verb)?.slice(0, 40)}.`)
  }
}
