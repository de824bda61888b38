/** The field types that struct layouts are made of: little-endian integers, byte arrays and arrays of fields. */

/** `T` is what reading gives, `I` what writing takes, `L` what a live view shows. */
export interface Field<T, I = T, L = T> {
  readonly name: string
  readonly size: number
  readonly align: number
  read(view: DataView, at: number): T
  write(view: DataView, at: number, value: I): void
  live(view: DataView, at: number): L
  /** Whether a value can be written without losing bits. */
  accepts(value: unknown): boolean
}

type Scalar<T> = Omit<Field<T>, 'name' | 'size' | 'align' | 'live' | 'accepts'>

const integer = (name: string, size: number, min: number, max: number, access: Scalar<number>): Field<number> => ({
  name,
  size,
  align: size,
  ...access,
  live: access.read,
  accepts: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
})

const bigInteger = (name: string, min: bigint, max: bigint, access: Scalar<bigint>): Field<bigint> => ({
  name,
  size: 8,
  align: 8,
  ...access,
  live: access.read,
  accepts: (value) => typeof value === 'bigint' && value >= min && value <= max,
})

export const u8 = integer('u8', 1, 0, 0xff, {
  read: (view, at) => view.getUint8(at),
  write: (view, at, value) => view.setUint8(at, value),
})
export const u16 = integer('u16', 2, 0, 0xffff, {
  read: (view, at) => view.getUint16(at, true),
  write: (view, at, value) => view.setUint16(at, value, true),
})
export const u32 = integer('u32', 4, 0, 0xffff_ffff, {
  read: (view, at) => view.getUint32(at, true),
  write: (view, at, value) => view.setUint32(at, value, true),
})
export const s32 = integer('s32', 4, -(2 ** 31), 2 ** 31 - 1, {
  read: (view, at) => view.getInt32(at, true),
  write: (view, at, value) => view.setInt32(at, value, true),
})
/** A bigint: a 64-bit value does not fit a JavaScript number. */
export const u64 = bigInteger('u64', 0n, 2n ** 64n - 1n, {
  read: (view, at) => view.getBigUint64(at, true),
  write: (view, at, value) => view.setBigUint64(at, value, true),
})
export const s64 = bigInteger('s64', -(2n ** 63n), 2n ** 63n - 1n, {
  read: (view, at) => view.getBigInt64(at, true),
  write: (view, at, value) => view.setBigInt64(at, value, true),
})

/** `u8 name[length]`: reading copies, a live view shows the bytes themselves, writing takes exactly as many. */
export const bytes = (length: number): Field<Uint8Array> => {
  const live = (view: DataView, at: number) => new Uint8Array(view.buffer, view.byteOffset + at, length)
  return {
    name: `u8[${length}]`,
    size: length,
    align: 1,
    read: (view, at) => live(view, at).slice(),
    write: (view, at, value) => live(view, at).set(value),
    live,
    accepts: (value) => value instanceof Uint8Array && value.length === length,
  }
}

/** `name[length]` of any other field; writing fewer leaves the rest. A live view has live structs, but copies numbers. */
export const array = <T, I, L>(field: Field<T, I, L>, length: number): Field<T[], readonly I[], L[]> => ({
  name: `${field.name}[${length}]`,
  size: field.size * length,
  align: field.align,
  read: (view, at) => Array.from({ length }, (_, index) => field.read(view, at + index * field.size)),
  write: (view, at, values) => {
    values.forEach((value, index) => {
      field.write(view, at + index * field.size, value)
    })
  },
  live: (view, at) => Array.from({ length }, (_, index) => field.live(view, at + index * field.size)),
  accepts: (value) => Array.isArray(value) && value.length <= length && value.every((item) => field.accepts(item)),
})
