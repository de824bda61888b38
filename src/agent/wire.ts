/** Numbers and texts of a frame: written in order, and read with every length checked. */
import { UsageError } from '../errors.ts'
import { FrameError } from './frame-reader.ts'
import { HEADER_SIZE } from './protocol.ts'

export class PayloadWriter {
  readonly #parts: Buffer[] = []

  u16(value: number): this {
    const part = Buffer.alloc(2)
    part.writeUInt16LE(value)
    return this.bytes(part)
  }

  u32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeUInt32LE(value)
    return this.bytes(part)
  }

  u64(value: bigint): this {
    const part = Buffer.alloc(8)
    part.writeBigUInt64LE(value)
    return this.bytes(part)
  }

  /** With a zero byte behind it. */
  text(value: string): this {
    if (value.includes('\0'))
      throw new UsageError(`Cannot send ${JSON.stringify(value)} to a guest: it has a zero byte.`)
    return this.bytes(Buffer.from(`${value}\0`))
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(Buffer.from(value.buffer, value.byteOffset, value.length))
    return this
  }

  end(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

export function frame(type: number, session: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const header = Buffer.alloc(HEADER_SIZE)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(session, 6)
  return payload.length === 0 ? header : Buffer.concat([header, payload])
}

/** Every method throws FrameError past the end. */
export class PayloadReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  u16(): number {
    return this.#take(2).readUInt16LE()
  }

  u32(): number {
    return this.#take(4).readUInt32LE()
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end === -1) throw new FrameError('a text without an end')
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  /** Nothing may be left. */
  end(): void {
    const over = this.#bytes.length - this.#at
    if (over > 0) throw new FrameError(`${over} bytes too many in a frame`)
  }

  #take(count: number): Buffer {
    const part = this.#bytes.subarray(this.#at, this.#at + count)
    if (part.length < count) throw new FrameError('a frame that is too short')
    this.#at += count
    return part
  }
}
