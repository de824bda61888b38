/**
 * ACPI machine language, as much of it as our DSDT says. Each function is a term of ASL under its own name and gives
 * the bytes of ACPI 6.5 §20.2; terms are nested as they are in a source file.
 */
import { BugError } from '../../errors.ts'
import { concat, text, u8, u16, u32, u64 } from './bytes.ts'

export type Aml = Uint8Array

/** §20.3. */
const OP = {
  Zero: 0x00,
  One: 0x01,
  Name: 0x08,
  BytePrefix: 0x0a,
  WordPrefix: 0x0b,
  DWordPrefix: 0x0c,
  StringPrefix: 0x0d,
  QWordPrefix: 0x0e,
  Scope: 0x10,
  Buffer: 0x11,
  Package: 0x12,
  Method: 0x14,
  DualNamePrefix: 0x2e,
  MultiNamePrefix: 0x2f,
  ExtOpPrefix: 0x5b,
  Arg0: 0x68,
  Notify: 0x86,
  LEqual: 0x93,
  If: 0xa0,
  ExtDevice: 0x82,
} as const

const SEGMENT_LENGTH = 4
const SERIALIZED = 1 << 3

/** `\_SB.VGEN`, `_HID`: segments of up to four characters (§20.2.2). */
export function nameString(path: string): Aml {
  const [, prefix = '', rest = ''] = /^(\\|\^*)(.*)$/.exec(path) ?? []
  const segments = rest === '' ? [] : rest.split('.')
  for (const segment of segments) {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new BugError(`Cannot write "${path}" as an ACPI name.`)
  }
  return concat(
    text(prefix),
    segmentPrefix(segments.length),
    ...segments.map((segment) => text(segment.padEnd(SEGMENT_LENGTH, '_'))),
  )
}

function segmentPrefix(count: number): Aml {
  if (count === 0) return u8(OP.Zero)
  if (count === 1) return u8()
  return count === 2 ? u8(OP.DualNamePrefix) : u8(OP.MultiNamePrefix, count)
}

/** The smallest form that holds the number (§20.2.3). */
export function integer(value: number | bigint): Aml {
  const wide = BigInt(value)
  const number = Number(wide)
  if (wide === 0n) return u8(OP.Zero)
  if (wide === 1n) return u8(OP.One)
  if (number <= 0xff) return u8(OP.BytePrefix, number)
  if (number <= 0xffff) return concat(u8(OP.WordPrefix), u16(number))
  if (number <= 0xffff_ffff) return concat(u8(OP.DWordPrefix), u32(number))
  return concat(u8(OP.QWordPrefix), u64(wide))
}

export function string(characters: string): Aml {
  return concat(u8(OP.StringPrefix), text(characters, characters.length + 1))
}

/** Three letters and four hexadecimal digits in 32 bits, the most significant byte first (§19.3.4). */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new BugError(`Cannot write "${id}" as an EISA id.`)
  const letters = [...id.slice(0, 3)].reduce((sum, letter) => (sum << 5) | (letter.charCodeAt(0) - 0x40), 0)
  const product = Number.parseInt(id.slice(3), 16)
  return concat(u8(OP.DWordPrefix), u8(letters >>> 8, letters & 0xff, product >>> 8, product & 0xff))
}

export function buffer(bytes: Uint8Array): Aml {
  return concat(u8(OP.Buffer), withLength(concat(integer(bytes.length), bytes)))
}

/** `Package { ... }` */
export function packageOf(...elements: readonly Aml[]): Aml {
  return concat(u8(OP.Package), withLength(concat(u8(elements.length), ...elements)))
}

export function name(path: string, value: Aml): Aml {
  return concat(u8(OP.Name), nameString(path), value)
}

export function scope(path: string, ...terms: readonly Aml[]): Aml {
  return concat(u8(OP.Scope), withLength(concat(nameString(path), ...terms)))
}

export function device(path: string, ...terms: readonly Aml[]): Aml {
  return concat(u8(OP.ExtOpPrefix, OP.ExtDevice), withLength(concat(nameString(path), ...terms)))
}

/** Serialized: no two threads run it at once. */
export function serializedMethod(path: string, argumentCount: number, ...terms: readonly Aml[]): Aml {
  const flags = u8(argumentCount | SERIALIZED)
  return concat(u8(OP.Method), withLength(concat(nameString(path), flags, ...terms)))
}

/** The first argument of the method around it. */
export const ARG0: Aml = u8(OP.Arg0)

export function equal(left: Aml, right: Aml): Aml {
  return concat(u8(OP.LEqual), left, right)
}

/** `If (predicate) { ... }` */
export function when(predicate: Aml, ...terms: readonly Aml[]): Aml {
  return concat(u8(OP.If), withLength(concat(predicate, ...terms)))
}

export function notify(path: string, value: number): Aml {
  return concat(u8(OP.Notify), nameString(path), integer(value))
}

/**
 * PkgLength, then the contents (§20.2.4): the length counts its own bytes. One byte holds 6 bits; with more, the first
 * holds the low 4 and says in its upper two how many follow.
 */
export function withLength(contents: Aml): Aml {
  if (contents.length + 1 < 1 << 6) return concat(u8(contents.length + 1), contents)
  const following = [1, 2, 3].find((count) => contents.length + 1 + count < 2 ** (4 + 8 * count))
  if (following === undefined) throw new BugError(`Cannot write ${contents.length} bytes as one ACPI package.`)
  const length = contents.length + 1 + following
  const rest = Array.from({ length: following }, (_, index) => (length >>> (4 + 8 * index)) & 0xff)
  return concat(u8((following << 6) | (length & 0xf), ...rest), contents)
}
