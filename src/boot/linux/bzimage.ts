/**
 * Reads the setup header of a bzImage, the form in which distributions ship Linux: where its 64-bit kernel lies in the
 * file, where it wants to be in memory, what it takes. The file is hostile: what it says is checked before it is used.
 * Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" and "64-bit Boot Protocol".
 */
import { UsageError } from '../../errors.ts'
import { PAGE_SIZE } from '../../memory/memory-map.ts'
import type { ReadAt } from '../elf.ts'
import { bootParams, SETUP_HEADER_LIMIT, SETUP_HEADER_START } from './boot-params.ts'

const SECTOR = 512
const PARAGRAPH = 16
/** "If setup_sects is 0, the real value is 4." */
const SETUP_SECTS_DEFAULT = 4
export const BOOT_FLAG = 0xaa55
/** "HdrS" */
export const HEADER_MAGIC = 0x5372_6448
export const HEADER_MAGIC_AT = 0x202
/** 2.12, Linux 3.8: the first whose header says whether there is a 64-bit entry (xloadflags). */
export const VERSION_MIN = 0x20c
/** The header ends this far behind the byte that says so, the offset of the jump over it. */
const JUMP_OFFSET_AT = 0x201
/** init_size is the last field needed. */
export const HEADER_END_MIN = 0x264
export const LOADED_HIGH = 1 << 0
export const XLF_KERNEL_64 = 1 << 0
/** The 64-bit entry lies this far into the kernel. */
export const ENTRY_OFFSET = 0x200

export interface BzImage {
  /** The header as the file has it, for boot_params; it begins at SETUP_HEADER_START there too. */
  readonly header: Uint8Array
  readonly fileOffset: number
  readonly fileSize: number
  /** Where it is put: that is where it would move itself to. */
  readonly gpa: number
  /** What it takes from there on before it knows which memory there is. */
  readonly memorySize: number
  /** Of the command line, without its final NUL. */
  readonly commandLineMax: number
  /** The first address that is too high for an initial RAM disk's last byte. */
  readonly initrdEnd: number
}

/** @throws UsageError naming what is wrong with the image. */
export function readBzImage(readAt: ReadAt, fileSize: number, name: string): BzImage {
  const refuse = (reason: string): never => {
    throw new UsageError(`Cannot boot ${name}: ${reason}.`, {
      hint: 'A kernel is a bzImage with a 64-bit entry (Linux 3.8 or later), such as a vmlinuz of a distribution.',
    })
  }
  const start = new Uint8Array(bootParams.size)
  start.set(readAt(0, SETUP_HEADER_LIMIT))
  const header = bootParams.decode(start)
  if (fileSize < SETUP_HEADER_LIMIT) return refuse('it is too short for a bzImage')
  if (header.header !== HEADER_MAGIC || header.boot_flag !== BOOT_FLAG) return refuse('it is not a bzImage')
  if (header.version < VERSION_MIN) return refuse(`its boot protocol ${protocol(header.version)} is older than 2.12`)
  if ((header.xloadflags & XLF_KERNEL_64) === 0) return refuse('it has no 64-bit entry')
  if ((header.loadflags & LOADED_HIGH) === 0) return refuse('it is a zImage, made to be loaded below 1 MiB')
  const headerEnd = HEADER_MAGIC_AT + start[JUMP_OFFSET_AT]!
  if (headerEnd < HEADER_END_MIN || headerEnd > SETUP_HEADER_LIMIT)
    return refuse(`its setup header ends at 0x${headerEnd.toString(16)}, out of bounds`)

  const fileOffset = ((header.setup_sects || SETUP_SECTS_DEFAULT) + 1) * SECTOR
  const inFile = fileSize - fileOffset
  const said = header.syssize * PARAGRAPH
  // The last paragraph may be cut short; what follows the kernel is a signature.
  if (said >= inFile + PARAGRAPH) return refuse('its kernel reaches past the end of the file')
  const size = Math.min(said, inFile)
  if (size <= ENTRY_OFFSET) return refuse('its kernel is too short to have a 64-bit entry')
  if (header.pref_address > BigInt(Number.MAX_SAFE_INTEGER) || header.pref_address % BigInt(PAGE_SIZE) !== 0n)
    return refuse(`it asks to be loaded at 0x${header.pref_address.toString(16)}`)
  return {
    header: start.slice(SETUP_HEADER_START, headerEnd),
    fileOffset,
    fileSize: size,
    gpa: Number(header.pref_address),
    memorySize: Math.max(header.init_size, size),
    commandLineMax: header.cmdline_size,
    initrdEnd: header.initrd_addr_max + 1,
  }
}

const protocol = (version: number) => `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`
