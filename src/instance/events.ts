/**
 * What happened to instances, `<run root>/events.jsonl`: one event a line, appended by whichever process did it, so that
 * no daemon need collect them. The part before it is `events.1.jsonl`; older events are forgotten.
 */
import { appendFileSync, closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const EVENT_TYPES = [
  'create',
  'pause',
  'resume',
  'update',
  'signal',
  'snapshot',
  'exit',
  'crash',
  'remove',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

export interface InstanceEvent {
  /** ISO 8601. */
  readonly time: string
  readonly type: EventType
  readonly instance: string
  readonly isolation?: string
  readonly exitCode?: number
  readonly signal?: number
  readonly memoryBytes?: number
  /** Its name. */
  readonly snapshot?: string
}

const FILES = { now: 'events.jsonl', before: 'events.1.jsonl' } as const
const FILE_MAX = 1 << 20
/** Held by the process that makes `now` the file before, for some microseconds. */
const LOCK = 'events.lock'
/** Its holder died. */
const LOCK_STALE_MS = 5000

export class EventJournal {
  readonly #runRoot: string

  constructor(runRoot: string) {
    this.#runRoot = runRoot
  }

  record(type: EventType, instance: string, facts: Partial<InstanceEvent> = {}): void {
    const event: InstanceEvent = { time: new Date().toISOString(), type, instance, ...facts }
    try {
      this.#rotate()
      // Less than a page, appended in one write: lines of several processes do not mix.
      appendFileSync(this.#path('now'), `${JSON.stringify(event)}\n`, { mode: 0o600 })
    } catch {
      // A full disk must not keep an instance from ending.
    }
  }

  /** Oldest first. */
  read(): InstanceEvent[] {
    for (;;) {
      const began = this.#inode('before')
      const events = (['before', 'now'] as const).flatMap((file) => parse(contentOf(this.#path(file))))
      // Otherwise `now` became `before` between our two looks, and we saw neither.
      if (this.#inode('before') === began) return events
    }
  }

  #path(file: keyof typeof FILES): string {
    return join(this.#runRoot, FILES[file])
  }

  #inode(file: keyof typeof FILES): number | undefined {
    return statSync(this.#path(file), { throwIfNoEntry: false })?.ino
  }

  #isFull(): boolean {
    return (statSync(this.#path('now'), { throwIfNoEntry: false })?.size ?? 0) > FILE_MAX
  }

  /** Twice at once would replace what is kept by a file just begun. */
  #rotate(): void {
    if (!this.#isFull() || !this.#lock()) return
    try {
      if (this.#isFull()) renameSync(this.#path('now'), this.#path('before'))
    } finally {
      rmSync(join(this.#runRoot, LOCK), { force: true })
    }
  }

  #lock(): boolean {
    const lock = join(this.#runRoot, LOCK)
    try {
      closeSync(openSync(lock, 'wx', 0o600))
      return true
    } catch {
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
      if (Date.now() - since > LOCK_STALE_MS) rmSync(lock, { force: true })
      return false
    }
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const parse = (content: string): InstanceEvent[] =>
  content.split('\n').flatMap((line) => {
    try {
      const event = JSON.parse(line) as InstanceEvent
      const known = EVENT_TYPES.includes(event.type)
      return known && typeof event.time === 'string' && typeof event.instance === 'string' ? [event] : []
    } catch {
      return []
    }
  })
