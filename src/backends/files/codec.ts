/** Reads requests and writes replies of 9P2000.L: little-endian integers, and strings with their length in front. */
import { EINVAL, EMSGSIZE, ENAMETOOLONG } from '../../../kvm-bindings/constants.ts'
import { Refusal } from './refusal.ts'

/** The fields of one request, in order. What is not there, is too long or left over is the client's mistake. */
export class RequestReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  /** @param bytes the whole message, a copy: the guest cannot change it meanwhile */
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true)
  }

  /** A position or a length of a file; what JavaScript does not hold exactly is beyond any file. */
  size(): number {
    const value = this.u64()
    if (value > Number.MAX_SAFE_INTEGER) throw new Refusal(EINVAL)
    return Number(value)
  }

  string(maxBytes: number): Uint8Array {
    const length = this.u16()
    if (length > maxBytes) throw new Refusal(ENAMETOOLONG)
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new Refusal(EINVAL)
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#bytes.length - at) throw new Refusal(EINVAL)
    this.#at += length
    return at
  }
}

/** One reply at a time, in a buffer that is used again. */
export class ReplyWriter {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0
  #room = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** Bytes that can follow. */
  get left(): number {
    return this.#room - this.#at
  }

  begin(type: number, tag: number, room: number): void {
    this.#at = 4
    this.#room = Math.min(room, this.#bytes.length)
    this.u8(type)
    this.u16(tag)
  }

  u8(value: number): void {
    this.#view.setUint8(this.#take(1), value)
  }

  u16(value: number): void {
    this.#view.setUint16(this.#take(2), value, true)
  }

  u32(value: number): void {
    this.#view.setUint32(this.#take(4), value, true)
  }

  u64(value: bigint): void {
    this.#view.setBigUint64(this.#take(8), BigInt.asUintN(64, value), true)
  }

  /** A number of 64 bits as it stands elsewhere, without making a bigint of it. */
  copyU64(from: DataView, at: number): void {
    const to = this.#take(8)
    this.#view.setUint32(to, from.getUint32(at, true), true)
    this.#view.setUint32(to + 4, from.getUint32(at + 4, true), true)
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#take(bytes.length))
  }

  string(bytes: Uint8Array): void {
    this.u16(bytes.length)
    this.bytes(bytes)
  }

  qid({ type, version, path }: { type: number; version: number; path: bigint }): void {
    this.u8(type)
    this.u32(version)
    this.u64(path)
  }

  /** Leaves room for a value that is known later. */
  skip(bytes: number): number {
    return this.#take(bytes)
  }

  putU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true)
  }

  /** The message, whose size says that `data` more bytes follow. Good until the next one begins. */
  finish(data = 0): Uint8Array {
    this.#view.setUint32(0, this.#at + data, true)
    return this.#bytes.subarray(0, this.#at)
  }

  #take(length: number): number {
    const at = this.#at
    // A client that leaves less room than its answer takes has asked for an error.
    if (length > this.#room - at) throw new Refusal(EMSGSIZE)
    this.#at += length
    return at
  }
}
