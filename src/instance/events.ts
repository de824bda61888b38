/**
 * What happened to instances, `<run root>/events.jsonl`: one event a line, appended by whichever process did it, so that
 * no daemon need collect them. The part before it is `events.1.jsonl`; older events are forgotten.
 */
import { appendFileSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const EVENT_TYPES = ['create', 'pause', 'resume', 'signal', 'exit', 'crash', 'remove'] as const
export type EventType = (typeof EVENT_TYPES)[number]

export interface InstanceEvent {
  /** ISO 8601. */
  readonly time: string
  readonly type: EventType
  readonly instance: string
  readonly isolation?: string
  readonly exitCode?: number
  readonly signal?: number
}

const FILES = { now: 'events.jsonl', before: 'events.1.jsonl' } as const
const FILE_MAX = 1 << 20

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
    return (['before', 'now'] as const).flatMap((file) => parse(contentOf(this.#path(file))))
  }

  #path(file: keyof typeof FILES): string {
    return join(this.#runRoot, FILES[file])
  }

  #rotate(): void {
    const { size = 0 } = statSync(this.#path('now'), { throwIfNoEntry: false }) ?? {}
    if (size > FILE_MAX) renameSync(this.#path('now'), this.#path('before'))
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
      return typeof event.time === 'string' && typeof event.instance === 'string' ? [event] : []
    } catch {
      return []
    }
  })
