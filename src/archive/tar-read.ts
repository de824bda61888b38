/**
 * Reads a tar archive as it arrives, entry by entry. Whoever made it may mean harm: lengths are checked before anything is
 * kept, and no entry is longer than its header announced.
 */
import { BLOCK, checksum, FIELD, paddingOf, type TarHeader, TYPE } from './tar-format.ts'

/** Of one extended header. */
const RECORDS_MAX = 1 << 20
const NAME_MAX = 64 * 1024

export class TarError extends Error {
  override readonly name = 'TarError'
}

export interface TarEntry extends TarHeader {
  /** Its bytes; what is not read is passed over. */
  body(): AsyncIterable<Buffer>
}

export async function* readTar(from: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const bytes = new ByteReader(from)
  try {
    for (;;) {
      const header = await readHeader(bytes)
      if (!header) return
      let left = header.size
      async function* body() {
        while (left > 0) {
          const part = await bytes.some(left)
          left -= part.length
          yield part
        }
      }
      yield { ...header, body }
      for (left += paddingOf(header.size); left > 0; ) left -= (await bytes.some(left)).length
    }
  } finally {
    await bytes.close()
  }
}

type Records = { -readonly [K in keyof Omit<TarHeader, 'type' | 'mode'>]?: TarHeader[K] }

/** @returns undefined at the end of the archive */
async function readHeader(bytes: ByteReader): Promise<TarHeader | undefined> {
  const records: Records = {}
  for (let empty = 0; ; ) {
    const block = await bytes.blockOrEnd()
    if (!block) return undefined
    if (block.every((byte) => byte === 0)) {
      // Some writers leave out the two empty blocks, and none writes more than those before the end.
      if (++empty === 2) return undefined
      continue
    }
    empty = 0
    if (number(block, FIELD.checksum) !== checksum(block)) throw new TarError('it is no tar archive, or a damaged one')
    const type = block.toString('latin1', FIELD.type[0], FIELD.type[0] + 1)
    if (!'xgLK'.includes(type)) return assemble(block, type, records)
    const size = number(block, FIELD.size)
    if (size === undefined || size > RECORDS_MAX) throw new TarError('an extended header is too long')
    const content = await bytes.all(size)
    await bytes.all(paddingOf(size))
    if (type === 'x') readRecords(content, records)
    else if (type === 'L') records.name = checkedName(cut(content.toString('latin1')))
    else if (type === 'K') records.link = checkedName(cut(content.toString('latin1')))
  }
}

function assemble(block: Buffer, letter: string, records: Records): TarHeader {
  const size = records.size ?? number(block, FIELD.size)
  if (size === undefined) throw new TarError('a size in it is none')
  const name = records.name ?? ustarName(block)
  // Before POSIX a directory was a file whose name ended so; contiguous files are files.
  const plain = letter === '\0' || letter === '7' ? TYPE.file : letter
  const type = plain === TYPE.file && name.endsWith('/') ? TYPE.directory : plain
  const hasBytes = type !== TYPE.link && type !== TYPE.symlink && type !== TYPE.directory
  return {
    ...{ type, name },
    link: records.link ?? text(block, FIELD.link),
    size: hasBytes ? size : 0,
    mode: (number(block, FIELD.mode) ?? 0o644) & 0o7777,
    uid: records.uid ?? number(block, FIELD.uid) ?? 0,
    gid: records.gid ?? number(block, FIELD.gid) ?? 0,
    mtime: records.mtime ?? number(block, FIELD.mtime) ?? 0,
  }
}

function ustarName(block: Buffer): string {
  const name = text(block, FIELD.name)
  // GNU's older format has other things there.
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, FIELD.prefix) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

const cut = (value: string): string => value.split('\0', 1)[0]!
const text = (block: Buffer, [at, length]: readonly [number, number]) => cut(block.toString('latin1', at, at + length))

/** Octal digits, or GNU's binary form with the highest bit set. Undefined for what is no size or time of ours. */
function number(block: Buffer, [at, length]: readonly [number, number]): number | undefined {
  if (block[at]! & 0x80) {
    if (block[at] !== 0x80) return undefined
    let value = 0
    for (const byte of block.subarray(at + 1, at + length)) value = value * 256 + byte
    return Number.isSafeInteger(value) ? value : undefined
  }
  const digits = text(block, [at, length]).trim()
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined
}

function checkedName(name: string): string {
  if (name.length >= NAME_MAX) throw new TarError('a name is too long')
  if (name.includes('\0')) throw new TarError('a name has a zero byte')
  return name
}

/** `LENGTH KEY=VALUE\n`, one after the other. */
function readRecords(content: Buffer, records: Records): void {
  const malformed = () => new TarError('an extended header is malformed')
  for (let rest = content.toString('latin1'); rest !== ''; ) {
    const digits = /^(\d{1,7}) /.exec(rest)?.[1]
    const length = Number(digits)
    if (digits === undefined || length > rest.length || rest[length - 1] !== '\n') throw malformed()
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(rest.slice(digits.length + 1, length - 1)) ?? []
    if (key === undefined || value === undefined) throw malformed()
    if (key === 'path') records.name = checkedName(value)
    else if (key === 'linkpath') records.link = checkedName(value)
    else if (key === 'size' || key === 'uid' || key === 'gid' || key === 'mtime') records[key] = figure(key, value)
    rest = rest.slice(length)
  }
}

/** A time may be before 1970 and have a fraction, which is dropped. */
function figure(key: string, value: string): number {
  const whole = (key === 'mtime' ? /^(-?\d+)(\.\d*)?$/ : /^(\d+)$/).exec(value)?.[1]
  const result = Number(whole)
  if (whole !== undefined && Number.isSafeInteger(result)) return result
  throw new TarError('a number in an extended header is none')
}

class ByteReader {
  readonly #from: AsyncIterator<Uint8Array>
  #pending: Buffer = Buffer.alloc(0)

  constructor(from: AsyncIterable<Uint8Array>) {
    this.#from = from[Symbol.asyncIterator]()
  }

  /** As many as are there, at least one. @throws TarError at the end */
  async some(most: number): Promise<Buffer> {
    if (!(await this.#fill())) throw new TarError('the archive is cut short')
    const part = this.#pending.subarray(0, most)
    this.#pending = this.#pending.subarray(part.length)
    return part
  }

  async all(count: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let left = count; left > 0; left -= parts.at(-1)!.length) parts.push(await this.some(left))
    return Buffer.concat(parts)
  }

  async blockOrEnd(): Promise<Buffer | undefined> {
    return (await this.#fill()) ? await this.all(BLOCK) : undefined
  }

  /** Nothing more is read, whatever else there is. */
  async close(): Promise<void> {
    await this.#from.return?.()
  }

  /** @returns false at the end */
  async #fill(): Promise<boolean> {
    while (this.#pending.length === 0) {
      const { done, value } = await this.#from.next()
      if (done) return false
      this.#pending = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
    return true
  }
}
