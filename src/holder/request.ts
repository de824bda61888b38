/** What `run -d` hands to the process that is to hold the instance, and what comes back: one JSON line each way. */
import type { RunSpec } from '../instance/run-spec.ts'
import type { LogLevel } from '../log.ts'

/** The holder's descriptor of the connection. */
export const REQUEST_FD = 3

export interface HoldRequest {
  /** Its name may be empty: the store gives one. */
  readonly spec: RunSpec
  readonly name?: string
  readonly removeOnExit: boolean
  readonly timeoutMs?: number
  /** Most that its output may take on disk. */
  readonly logBytes: number
  readonly logLevel: LogLevel
}

export type HoldReply =
  | { readonly name: string }
  | { readonly error: { readonly message: string; readonly hint?: string; readonly exitCode: number } }
