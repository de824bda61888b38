/**
 * C struct layouts for x86-64, declared once: a declaration gives size, field offsets, TypeScript types, encode and
 * decode, and a live view. Fields stand in C order and follow C's alignment; `at` and `union` say where they do not.
 */
import type { Field } from './fields.ts'

export type { Field } from './fields.ts'
export { array, bytes, s32, s64, u8, u16, u32, u64 } from './fields.ts'

type AnyField = Field<unknown, never, unknown>
export type Fields = Readonly<Record<string, AnyField>>

type ValueOf<F> = F extends Field<infer T, never, unknown> ? T : never
type InitOf<F> = F extends { write(view: DataView, at: number, value: infer I): void } ? I : never
type LiveOf<F> = F extends Field<unknown, never, infer L> ? L : never

/** Padding and overlapping fields need not be given: what is left out stays zero. */
type OptionalKeys<F> = {
  [K in keyof F]: K extends `pad${string}` | `reserved${string}` ? K : F[K] extends Placed ? K : never
}[keyof F]

export type StructValue<F> = { -readonly [K in keyof F]: ValueOf<F[K]> }
export type StructInit<F> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: InitOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: InitOf<F[K]>
}
/** Accessors over bytes that belong to someone else: valid as long as those bytes are. */
export type StructView<F> = { -readonly [K in keyof F]: LiveOf<F[K]> }

export interface Struct<F extends Fields = Fields> extends Field<StructValue<F>, StructInit<F>, StructView<F>> {
  readonly fields: F
  readonly offsetOf: { readonly [K in keyof F]: number }
  /** A fresh array of `size` bytes. */
  encode(value: StructInit<F>): Uint8Array
  decode(source: Uint8Array, offset?: number): StructValue<F>
  view(source: Uint8Array, offset?: number): StructView<F>
}

/** What a layout describes: the value that `decode` gives. */
export type Decoded<S> = S extends Struct<infer F> ? StructValue<F> : never
export type Encodable<S> = S extends Struct<infer F> ? StructInit<F> : never

/** The size is what C says; a declaration that adds up to another one fails on load. */
export interface Expected {
  readonly size: number
}

export function struct<const F extends Fields>(name: string, expected: Expected, fields: F): Struct<F> {
  const layout = place(fields)
  if (layout.size !== expected.size) {
    throw new Error(`Cannot lay out ${name}: its fields take ${layout.size} bytes, C has ${expected.size}.`)
  }
  return new StructLayout(name, layout, fields) as unknown as Struct<F>
}

/** A struct whose fields all lie at offset 0. */
export function union<const F extends Fields>(name: string, expected: Expected, fields: F) {
  const placed = Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, at(0, field)]))
  return struct(name, expected, placed as { [K in keyof F]: F[K] & Placed })
}

interface Placed {
  readonly offset: number
}

/** The field at an explicit offset, for anonymous unions; the field after it follows on from its end. */
export function at<F extends AnyField>(offset: number, field: F): F & Placed {
  return Object.assign(Object.create(field) as F, { offset })
}

function place(fields: Fields): { size: number; align: number; offsetOf: Record<string, number> } {
  const offsetOf: Record<string, number> = {}
  let end = 0
  let size = 0
  let align = 1
  for (const key in fields) {
    const field = fields[key] as AnyField & Partial<Placed>
    const offset = field.offset ?? roundUp(end, field.align)
    offsetOf[key] = offset
    end = offset + field.size
    if (end > size) size = end
    if (field.align > align) align = field.align
  }
  return { size: roundUp(size, align), align, offsetOf }
}

const roundUp = (value: number, align: number): number => Math.ceil(value / align) * align

class StructLayout {
  readonly name: string
  readonly size: number
  readonly align: number
  readonly fields: Fields
  readonly offsetOf: Record<string, number>
  /** Accessors for `view`, made when the first view is. Not a #field: `at` makes objects that inherit from this one. */
  private accessors: object | undefined

  constructor(name: string, layout: ReturnType<typeof place>, fields: Fields) {
    this.name = name
    this.size = layout.size
    this.align = layout.align
    this.offsetOf = layout.offsetOf
    this.fields = fields
  }

  encode(value: Record<string, unknown>): Uint8Array {
    const target = new Uint8Array(this.size)
    this.write(new DataView(target.buffer), 0, value)
    return target
  }

  decode(source: Uint8Array, offset = 0): Record<string, unknown> {
    return this.read(dataViewOf(source), offset)
  }

  view(source: Uint8Array, offset = 0): object {
    return this.live(dataViewOf(source), offset)
  }

  accepts(value: unknown): boolean {
    return typeof value === 'object' && value !== null
  }

  read(view: DataView, start: number): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    for (const key in this.fields) value[key] = this.fields[key]?.read(view, start + (this.offsetOf[key] as number))
    return value
  }

  write(view: DataView, start: number, value: Record<string, unknown>): void {
    for (const key in value) {
      const field = this.fields[key]
      const given = value[key]
      if (!field) throw new RangeError(`Cannot write ${this.name}.${key}: there is no such field.`)
      if (given === undefined) continue
      if (!field.accepts(given))
        throw new RangeError(`Cannot write ${this.name}.${key}: ${String(given)} is not a ${field.name}.`)
      field.write(view, start + (this.offsetOf[key] as number), given as never)
    }
  }

  live(view: DataView, start: number): object {
    this.accessors ??= accessorsFor(this)
    return Object.create(this.accessors, { [VIEW]: { value: view }, [START]: { value: start } })
  }
}

function accessorsFor(struct: StructLayout): object {
  const prototype = {}
  for (const [key, field] of Object.entries(struct.fields)) {
    const offset = struct.offsetOf[key] as number
    const where = `${struct.name}.${key}`
    Object.defineProperty(prototype, key, {
      enumerable: true,
      get(this: Live) {
        return field.live(this[VIEW], this[START] + offset)
      },
      set(this: Live, value: unknown) {
        if (!field.accepts(value))
          throw new RangeError(`Cannot write ${where}: ${String(value)} is not a ${field.name}.`)
        field.write(this[VIEW], this[START] + offset, value as never)
      },
    })
  }
  return prototype
}

const VIEW = Symbol('view')
const START = Symbol('start')
interface Live {
  readonly [VIEW]: DataView
  readonly [START]: number
}

const dataViewOf = (source: Uint8Array): DataView => new DataView(source.buffer, source.byteOffset, source.byteLength)
