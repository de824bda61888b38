/**
 * What a detached instance printed: `output.jsonl` in its directory, one record a line, and `output.1.jsonl`, the part
 * before it. Together they never take more than a given size, however much a program prints.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export type OutputStream = 'stdout' | 'stderr'

/** One chunk as it arrived. `base64` instead of `text` where the bytes are no UTF-8. */
export interface OutputRecord {
  /** ISO 8601. */
  readonly time: string
  readonly stream: OutputStream
  readonly text?: string
  readonly base64?: string
}

export const DEFAULT_LOG_BYTES = 16 * 2 ** 20
const FILES = { now: 'output.jsonl', before: 'output.1.jsonl' } as const
const READ_SIZE = 64 * 1024

export const outputBytes = ({ text, base64 }: OutputRecord): Buffer =>
  base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64')

export class OutputLog {
  readonly #directory: string
  readonly #fileMax: number
  #fd: number
  #size = 0
  /** The last line has no end: the disk was full. */
  #torn = false
  /** The first bytes of a character whose end is still to come. */
  readonly #cut: Record<OutputStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }

  /** @param maxBytes of both files together; each holds one record at least, of whatever size */
  constructor(directory: string, maxBytes: number) {
    this.#directory = directory
    this.#fileMax = Math.floor(maxBytes / 2)
    this.#fd = this.#open()
  }

  append(stream: OutputStream, bytes: Uint8Array): void {
    const all = Buffer.concat([this.#cut[stream], bytes])
    const whole = all.length - cutCharacter(all)
    this.#cut[stream] = all.subarray(whole)
    if (whole > 0) this.#write(stream, all.subarray(0, whole))
  }

  /** Writes what waited for the end of its character: it does not come. */
  flush(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const cut = this.#cut[stream]
      this.#cut[stream] = Buffer.alloc(0)
      if (cut.length > 0) this.#write(stream, cut)
    }
  }

  close(): void {
    this.flush()
    closeSync(this.#fd)
  }

  #write(stream: OutputStream, bytes: Buffer): void {
    const text = bytes.toString('utf8')
    const content = Buffer.from(text).equals(bytes) ? { text } : { base64: bytes.toString('base64') }
    const record: OutputRecord = { time: new Date().toISOString(), stream, ...content }
    const line = Buffer.from(`${this.#torn ? '\n' : ''}${JSON.stringify(record)}\n`)
    try {
      if (this.#size > 0 && this.#size + line.length > this.#fileMax) this.#rotate()
      const written = writeSync(this.#fd, line)
      this.#size += written
      this.#torn = written < line.length
    } catch {
      // A full disk must not end the program: what it prints now is not kept.
    }
  }

  #rotate(): void {
    // Not there when the disk was too full for a new one.
    if (existsSync(this.#path('now'))) renameSync(this.#path('now'), this.#path('before'))
    const full = this.#fd
    this.#fd = this.#open()
    closeSync(full)
    this.#size = 0
    this.#torn = false
  }

  #open(): number {
    return openSync(this.#path('now'), 'a', 0o600)
  }

  #path(file: keyof typeof FILES): string {
    return join(this.#directory, FILES[file])
  }
}

/** How many bytes at the end are the beginning of a UTF-8 character that goes on. */
function cutCharacter(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? back : 0
  }
  return 0
}

/** Reads records from the oldest on, and later those that were added since. */
export class OutputReader {
  readonly #directory: string
  #fd: number | undefined
  #pending = Buffer.alloc(0)

  constructor(directory: string) {
    this.#directory = directory
    // In this order: the file of now may become the one before at any moment.
    const now = this.#open('now')
    const before = this.#open('before')
    this.#fd = before ?? now
    if (before !== undefined && now !== undefined) closeSync(now)
  }

  /** Whether this instance keeps a log at all. */
  get exists(): boolean {
    return this.#fd !== undefined
  }

  /** Everything up to now. */
  *records(): Generator<OutputRecord> {
    while (this.#fd !== undefined) {
      yield* this.#rest()
      const next = this.#next()
      if (next === undefined) return
      // Written between our last look and the moment when it was full.
      yield* this.#rest()
      closeSync(this.#fd)
      this.#fd = next
      // What is left is half a line: the disk was full.
      this.#pending = Buffer.alloc(0)
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  *#rest(): Generator<OutputRecord> {
    const chunk = Buffer.alloc(READ_SIZE)
    for (;;) {
      const count = readSync(this.#fd!, chunk)
      if (count === 0) return
      this.#pending = Buffer.concat([this.#pending, chunk.subarray(0, count)])
      for (let end = this.#pending.indexOf('\n'); end !== -1; end = this.#pending.indexOf('\n')) {
        const record = parseRecord(this.#pending.toString('utf8', 0, end))
        this.#pending = this.#pending.subarray(end + 1)
        if (record) yield record
      }
    }
  }

  /** The file after ours, which is full then; when two more were filled meanwhile, the oldest that is kept. */
  #next(): number | undefined {
    const own = inodeOf(this.#fd!)
    const now = this.#open('now')
    if (now === undefined) return undefined
    if (inodeOf(now) === own) {
      closeSync(now)
      return undefined
    }
    const before = this.#open('before')
    // Ours is the one before still: the one of now came after it.
    const next = before === undefined || inodeOf(before) === own ? now : before
    for (const fd of [now, before]) if (fd !== undefined && fd !== next) closeSync(fd)
    return next
  }

  #open(file: keyof typeof FILES): number | undefined {
    return openIfThere(join(this.#directory, FILES[file]))
  }
}

const inodeOf = (fd: number): number => fstatSync(fd).ino

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseRecord(line: string): OutputRecord | undefined {
  try {
    const record = JSON.parse(line) as OutputRecord
    const { stream, text = '', base64 = '' } = record
    const known = stream === 'stdout' || stream === 'stderr'
    return known && typeof text === 'string' && typeof base64 === 'string' ? record : undefined
  } catch {
    return undefined
  }
}
