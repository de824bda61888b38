/** Messages of 9P2000.L by hand, as a client writes and reads them: nothing here is shared with the server. */

export class Message {
  #parts: number[] = []

  u8(value: number): this {
    this.#parts.push(value & 0xff)
    return this
  }

  u16(value: number): this {
    return this.u8(value).u8(value >>> 8)
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16)
  }

  u64(value: bigint | number): this {
    const bits = BigInt.asUintN(64, BigInt(value))
    return this.u32(Number(bits & 0xffffffffn)).u32(Number(bits >> 32n))
  }

  text(value: string | Uint8Array): this {
    const bytes = Buffer.from(value as string)
    return this.u16(bytes.length).bytes(bytes)
  }

  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#parts.push(byte)
    return this
  }

  /** With its header in front. @param size what it says about itself */
  frame(type: number, tag: number, size = this.#parts.length + 7): Uint8Array {
    const header = new Message().u32(size).u8(type).u16(tag)
    return Uint8Array.from([...header.#parts, ...this.#parts])
  }
}

export const message = () => new Message()

export class Reply {
  readonly type: number
  readonly tag: number
  readonly #view: DataView
  readonly #bytes: Uint8Array
  #at = 7

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const size = this.#view.getUint32(0, true)
    if (size !== bytes.length) throw new Error(`a reply says ${size} bytes and has ${bytes.length}`)
    this.type = this.#view.getUint8(4)
    this.tag = this.#view.getUint16(5, true)
  }

  u8 = (): number => this.#view.getUint8(this.#take(1))
  u16 = (): number => this.#view.getUint16(this.#take(2), true)
  u32 = (): number => this.#view.getUint32(this.#take(4), true)
  u64 = (): bigint => this.#view.getBigUint64(this.#take(8), true)
  bytes = (length: number): Uint8Array => this.#bytes.slice(this.#take(length), this.#at)
  text = (): string => Buffer.from(this.bytes(this.u16())).toString('latin1')
  qid = () => ({ type: this.u8(), version: this.u32(), path: this.u64() })
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** The errno of an Rlerror, else undefined. */
  get errno(): number | undefined {
    return this.type === 7 ? this.#view.getUint32(7, true) : undefined
  }

  #take(length: number): number {
    this.#at += length
    return this.#at - length
  }
}
