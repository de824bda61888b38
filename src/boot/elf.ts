/**
 * Reads the parts of an ELF64 kernel image that booting needs: loadable segments and the PVH entry note.
 * The file is hostile: every offset and size is checked against the file before it is used.
 * ELF-64 object file format; Xen "PVH" note: XEN_ELFNOTE_PHYS32_ENTRY.
 */
import { UsageError } from '../errors.ts'

const HEADER_SIZE = 64
const PROGRAM_HEADER_SIZE = 56
/** Real kernels have under ten; the cap bounds the work a hostile file can cause. */
const PROGRAM_HEADERS_MAX = 64
const NOTES_MAX_BYTES = 64 * 1024

const ET_EXEC = 2
const ET_DYN = 3
const EM_X86_64 = 62
const PT_LOAD = 1
const PT_NOTE = 4
const XEN_ELFNOTE_PHYS32_ENTRY = 18

/** Reads `length` bytes at `offset` of the file; gives fewer at its end. */
export type ReadAt = (offset: number, length: number) => Uint8Array

export interface KernelSegment {
  readonly fileOffset: number
  readonly fileSize: number
  /** Physical load address (p_paddr). */
  readonly gpa: number
  /** At least fileSize; the rest is zero. */
  readonly memorySize: number
}

export interface KernelImage {
  /** ELF entry point: where the 64-bit boot protocol enters. */
  readonly entry: bigint
  /** 32-bit physical entry of the PVH protocol, when the image has the note. */
  readonly pvhEntry: number | undefined
  readonly segments: readonly KernelSegment[]
}

/** @throws UsageError naming what is wrong with the image. */
export function readKernelImage(readAt: ReadAt, fileSize: number, name: string): KernelImage {
  const refuse = (reason: string): never => {
    throw new UsageError(`Cannot boot ${name}: ${reason}.`, {
      hint: 'A kernel is a bzImage (a vmlinuz), or an ELF64 x86-64 file such as a vmlinux.',
    })
  }
  const header = readAt(0, HEADER_SIZE)
  if (header.length < HEADER_SIZE || dataView(header).getUint32(0) !== 0x7f454c46)
    return refuse('it is not an ELF file')
  const view = dataView(header)
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1) return refuse('it is not a 64-bit little-endian ELF file')
  const type = view.getUint16(16, true)
  if (type !== ET_EXEC && type !== ET_DYN) return refuse('it is not an executable ELF file')
  if (view.getUint16(18, true) !== EM_X86_64) return refuse('it is not built for x86-64')
  const tableOffset = view.getBigUint64(32, true)
  const entrySize = view.getUint16(54, true)
  const count = view.getUint16(56, true)
  if (entrySize !== PROGRAM_HEADER_SIZE)
    return refuse(`its program headers have ${entrySize} bytes instead of ${PROGRAM_HEADER_SIZE}`)
  if (count === 0 || count > PROGRAM_HEADERS_MAX)
    return refuse(`it has ${count} program headers, 1 to ${PROGRAM_HEADERS_MAX} are accepted`)
  const tableSize = count * PROGRAM_HEADER_SIZE
  if (tableOffset + BigInt(tableSize) > BigInt(fileSize)) return refuse('its program headers lie outside the file')
  const table = readAt(Number(tableOffset), tableSize)
  if (table.length < tableSize) return refuse('its program headers are cut short')

  const segments: KernelSegment[] = []
  let pvhEntry: number | undefined
  for (let index = 0; index < count; index++) {
    const row = dataView(table.subarray(index * PROGRAM_HEADER_SIZE, (index + 1) * PROGRAM_HEADER_SIZE))
    const kind = row.getUint32(0, true)
    const offset = row.getBigUint64(8, true)
    const paddr = row.getBigUint64(24, true)
    const size = row.getBigUint64(32, true)
    const memorySize = row.getBigUint64(40, true)
    if (kind !== PT_LOAD && kind !== PT_NOTE) continue
    if (offset + size > BigInt(fileSize)) return refuse(`program header ${index} reaches past the end of the file`)
    if (kind === PT_NOTE) {
      pvhEntry ??= findPvhEntry(readAt(Number(offset), Math.min(Number(size), NOTES_MAX_BYTES)))
      continue
    }
    if (memorySize < size) return refuse(`segment ${index} is larger in the file than in memory`)
    if (paddr + memorySize > BigInt(Number.MAX_SAFE_INTEGER)) return refuse(`segment ${index} lies beyond any memory`)
    if (memorySize > 0n) {
      segments.push({
        fileOffset: Number(offset),
        fileSize: Number(size),
        gpa: Number(paddr),
        memorySize: Number(memorySize),
      })
    }
  }
  if (segments.length === 0) return refuse('it has nothing to load')
  return { entry: view.getBigUint64(24, true), pvhEntry, segments }
}

/** Walks the notes: namesz, descsz, type, name and descriptor each padded to 4 bytes. */
function findPvhEntry(notes: Uint8Array): number | undefined {
  const view = dataView(notes)
  let at = 0
  while (at + 12 <= notes.length) {
    const nameSize = view.getUint32(at, true)
    const descriptorSize = view.getUint32(at + 4, true)
    const type = view.getUint32(at + 8, true)
    const descriptorAt = at + 12 + align4(nameSize)
    const next = descriptorAt + align4(descriptorSize)
    if (next > notes.length) return undefined
    const isXen = nameSize === 4 && view.getUint32(at + 12) === 0x58656e00
    if (isXen && type === XEN_ELFNOTE_PHYS32_ENTRY && descriptorSize >= 4) return view.getUint32(descriptorAt, true)
    at = next
  }
  return undefined
}

const align4 = (value: number) => Math.ceil(value / 4) * 4
const dataView = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
