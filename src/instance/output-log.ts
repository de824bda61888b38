/**
 * What a detached instance printed: `output.jsonl` in its directory, one record a line, and `output.1.jsonl`, the part
 * before it. Together they never take more than a given size, however much a program prints.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from 'node:fs'
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
  /** The first bytes of a character whose end is still to come. */
  readonly #cut: Record<OutputStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }

  /** @param maxBytes of both files together */
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

  close(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#cut[stream].length > 0) this.#write(stream, this.#cut[stream])
    }
    closeSync(this.#fd)
  }

  #write(stream: OutputStream, bytes: Buffer): void {
    const text = bytes.toString('utf8')
    const content = Buffer.from(text).equals(bytes) ? { text } : { base64: bytes.toString('base64') }
    const record: OutputRecord = { time: new Date().toISOString(), stream, ...content }
    const line = Buffer.from(`${JSON.stringify(record)}\n`)
    if (this.#size > 0 && this.#size + line.length > this.#fileMax) this.#rotate()
    this.#size += line.length
    writeSync(this.#fd, line)
  }

  #rotate(): void {
    closeSync(this.#fd)
    renameSync(join(this.#directory, FILES.now), join(this.#directory, FILES.before))
    this.#fd = this.#open()
    this.#size = 0
  }

  #open(): number {
    return openSync(join(this.#directory, FILES.now), 'a', 0o600)
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
    this.#fd = openIfThere(join(directory, FILES.before)) ?? openIfThere(join(directory, FILES.now))
  }

  /** Whether this instance keeps a log at all. */
  get exists(): boolean {
    return this.#fd !== undefined
  }

  /** Everything up to now. */
  *records(): Generator<OutputRecord> {
    while (this.#fd !== undefined) {
      yield* this.#rest()
      if (!this.#nextFile()) return
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

  /** The file that was written when this one was full; it may be the same one, renamed by now. */
  #nextFile(): boolean {
    const own = fstatSync(this.#fd!)
    const now = statSync(join(this.#directory, FILES.now), { throwIfNoEntry: false })
    if (now === undefined || now.ino === own.ino) return false
    const next = openIfThere(join(this.#directory, FILES.now))
    if (next === undefined) return false
    closeSync(this.#fd!)
    this.#fd = next
    // The writer died in the middle of a line.
    this.#pending = Buffer.alloc(0)
    return true
  }
}

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
    return record.stream === 'stdout' || record.stream === 'stderr' ? record : undefined
  } catch {
    return undefined
  }
}
