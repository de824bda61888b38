/** Resource templates: what a device occupies, as its `_CRS` says it. ACPI 6.5 §6.4. */
import { type Aml, buffer } from './aml.ts'
import { concat, u8, u16, u32 } from './bytes.ts'

/** Small resources: type in bits 6-3, length in bits 2-0. */
const IO_PORT = (0x8 << 3) | 7
const END_TAG = (0xf << 3) | 1
/** Large resources. */
const MEMORY_32_FIXED = 0x86
const EXTENDED_INTERRUPT = 0x89

const READ_WRITE = 1
const DECODES_16_BITS = 1
/** Of an interrupt; active high and exclusive are bits that are not set. */
const CONSUMER = 1 << 0
const EDGE_TRIGGERED = 1 << 1

/** §6.4.3.4 */
export function memory32Fixed(gpa: number, size: number): Uint8Array {
  return concat(u8(MEMORY_32_FIXED), u16(9), u8(READ_WRITE), u32(gpa), u32(size))
}

/** §6.4.3.6; all lines here are edge-triggered, active high and of one device alone. */
export function interrupt(gsi: number): Uint8Array {
  return concat(u8(EXTENDED_INTERRUPT), u16(6), u8(CONSUMER | EDGE_TRIGGERED, 1), u32(gsi))
}

/** §6.4.2.5 */
export function io(port: number, size: number): Uint8Array {
  return concat(u8(IO_PORT, DECODES_16_BITS), u16(port), u16(port), u8(1, size))
}

/** §6.4.2.9: a checksum of zero stands for a right one. */
export function resourceTemplate(...descriptors: readonly Uint8Array[]): Aml {
  return buffer(concat(...descriptors, u8(END_TAG, 0)))
}
