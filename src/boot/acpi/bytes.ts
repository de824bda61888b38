/** Firmware tables are packed: little-endian fields in a row, without the gaps that C would leave. */

export function u8(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values)
}

export function u16(value: number): Uint8Array {
  return u8(value & 0xff, (value >>> 8) & 0xff)
}

export function u32(value: number): Uint8Array {
  return concat(u16(value & 0xffff), u16(value >>> 16))
}

export function u64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes
}

/** ASCII, filled up to `length` bytes. */
export function text(characters: string, length = characters.length, filler = 0): Uint8Array {
  const bytes = new Uint8Array(length).fill(filler)
  for (const [at, character] of [...characters].entries()) bytes[at] = character.charCodeAt(0)
  return bytes
}

export function zeros(length: number): Uint8Array {
  return new Uint8Array(length)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The byte that makes the sum of all zero: ACPI 6.5 §5.2.3. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
}
