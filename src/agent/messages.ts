/** What the agent's frames say, decoded. Everything comes from the guest: the caller compares it with what can be. */

import { FrameError } from './frame-reader.ts'
import { EXIT_FLAG, HELLO, SESSION, SESSIONS_MAX } from './protocol.ts'
import { PayloadReader } from './wire.ts'

/** A program that lives in the guest. */
export interface LiveSession {
  readonly id: number
  readonly pid: number
  readonly main: boolean
  readonly tty: boolean
  /** Its program has ended; its last output or its exit status still waits there. */
  readonly ended: boolean
}

export interface Hello {
  readonly version: number
  /** `uname -r` */
  readonly release: string
  /** What this kernel lacks, in words. */
  readonly missing: readonly string[]
  /** Programs are held by a control group, unnoticed; otherwise by signals. */
  readonly freezer: boolean
  readonly configured: boolean
  readonly held: boolean
  readonly sessions: readonly LiveSession[]
}

export interface Started {
  /** A Linux errno, or 0. */
  readonly error: number
  readonly step: number
  readonly pid: number
}

export interface Attached {
  readonly ended: boolean
  readonly tty: boolean
  readonly inputEnded: boolean
  readonly pid: number
  readonly stdinCredit: number
}

export interface Exited {
  readonly code: number
  readonly signal: number
  readonly outOfMemory: boolean
}

function decode<T>(payload: Buffer, read: (reader: PayloadReader) => T): T {
  const reader = new PayloadReader(payload)
  const value = read(reader)
  reader.end()
  return value
}

export const decodeHello = (payload: Buffer): Hello =>
  decode(payload, (reader) => {
    const version = reader.u16()
    const flags = reader.u16()
    const count = reader.u16()
    if (count > SESSIONS_MAX) throw new FrameError(`${count} sessions in a guest`)
    const sessions = Array.from({ length: count }, () => liveSession(reader))
    return {
      version,
      release: reader.text(),
      missing: reader.text().split(', ').filter(Boolean),
      freezer: (flags & HELLO.freezer) !== 0,
      configured: (flags & HELLO.configured) !== 0,
      held: (flags & HELLO.held) !== 0,
      sessions,
    }
  })

function liveSession(reader: PayloadReader): LiveSession {
  const id = reader.u16()
  const flags = reader.u16()
  return {
    id,
    pid: reader.u32(),
    main: (flags & SESSION.main) !== 0,
    tty: (flags & SESSION.tty) !== 0,
    ended: (flags & SESSION.ended) !== 0,
  }
}

/** What CONFIGURE came to: an errno or 0, and the step that failed. */
export const decodeConfigured = (payload: Buffer): { error: number; what: string } =>
  decode(payload, (reader) => ({ error: reader.u32(), what: reader.text() }))

export const decodeStarted = (payload: Buffer): Started =>
  decode(payload, (reader) => ({ error: reader.u32(), step: reader.u16(), pid: reader.u32() }))

export const decodeAttached = (payload: Buffer): Attached =>
  decode(payload, (reader) => {
    const flags = reader.u16()
    return {
      ended: (flags & SESSION.ended) !== 0,
      tty: (flags & SESSION.tty) !== 0,
      inputEnded: reader.u16() !== 0,
      pid: reader.u32(),
      stdinCredit: reader.u32(),
    }
  })

export const decodeExit = (payload: Buffer): Exited =>
  decode(payload, (reader) => ({
    code: reader.u32(),
    signal: reader.u32(),
    outOfMemory: (reader.u32() & EXIT_FLAG.outOfMemory) !== 0,
  }))

/** HELD has an errno or 0, a credit its bytes. */
export const decodeNumber = (payload: Buffer): number => decode(payload, (reader) => reader.u32())

export const decodeNothing = (payload: Buffer): void => decode(payload, () => undefined)
