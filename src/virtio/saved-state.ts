/**
 * Saved state of devices, queues and transports: plain JSON. It comes back from a file that anyone may have altered,
 * so every field is checked on its way in.
 */
import { HostError } from '../errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** Whatever keeps state that a snapshot needs. */
export interface Savable {
  save(): Json
  /** @throws HostError when the state is not one of this device. */
  restore(state: Json): void
}

/** Reads the fields of one saved object, naming what is wrong. */
export class SavedFields {
  readonly #owner: string
  readonly #fields: JsonObject

  constructor(owner: string, state: Json | undefined) {
    this.#owner = owner
    if (typeof state !== 'object' || state === null || Array.isArray(state)) throw this.#wrong('state', 'an object')
    this.#fields = state as JsonObject
  }

  integer(name: string, max: number): number {
    const value = this.#fields[name]
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
      throw this.#wrong(name, `an integer from 0 to ${max}`)
    return value
  }

  boolean(name: string): boolean {
    const value = this.#fields[name]
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false')
    return value
  }

  text(name: string): string {
    const value = this.#fields[name]
    if (typeof value !== 'string') throw this.#wrong(name, 'a text')
    return value
  }

  /** A 64-bit value, saved as `0x…`. */
  u64(name: string): bigint {
    const value = this.#fields[name]
    if (typeof value !== 'string' || !/^0x[0-9a-f]{1,16}$/.test(value)) throw this.#wrong(name, 'a hexadecimal string')
    return BigInt(value)
  }

  textOrNull(name: string, maxLength: number): string | null {
    const value = this.#fields[name]
    if (value !== null && (typeof value !== 'string' || value.length > maxLength))
      throw this.#wrong(name, `text of at most ${maxLength} characters, or null`)
    return value
  }

  /** An array with at most `maxLength` elements, each checked by `element`. */
  array<T>(name: string, maxLength: number, element: (value: Json, index: number) => T): T[] {
    const value = this.#fields[name]
    if (!Array.isArray(value) || value.length > maxLength) throw this.#wrong(name, `a list of at most ${maxLength}`)
    return (value as readonly Json[]).map(element)
  }

  integers(name: string, maxLength: number, max: number): number[] {
    return this.array(name, maxLength, (value) => {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
        throw this.#wrong(name, `a list of integers from 0 to ${max}`)
      return value
    })
  }

  /** Any value; whoever owns it checks it. */
  value(name: string): Json {
    const value = this.#fields[name]
    if (value === undefined) throw this.#wrong(name, 'there')
    return value
  }

  /** The same of a field that need not be there. */
  optional(name: string): Json | undefined {
    return this.#fields[name]
  }

  #wrong(name: string, expected: string): HostError {
    return new HostError(`Cannot restore ${this.#owner}: "${name}" of its saved state is not ${expected}.`, {
      hint: 'The snapshot is damaged or was written by another version.',
    })
  }
}

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`
