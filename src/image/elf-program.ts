/**
 * Reads as much of an ELF program as it takes to say who can run it: machine, kind, interpreter.
 *
 * The bytes are hostile: every offset and count is checked against the file before it is used, and work is bounded.
 * System V gABI chapter 4 and 5 ("ELF Header", "Program Header"); psABI x86-64.
 */

/** A file as the parser wants it: bytes by offset, never more than asked for, fewer at the end. */
export interface FileBytes {
  readonly size: number
  read(offset: number, length: number): Uint8Array
}

export type Program =
  | { readonly kind: 'elf'; readonly linkage: 'static' | 'static-pie' }
  | { readonly kind: 'elf'; readonly linkage: 'dynamic'; readonly interpreter: string }
  /** `#!`: the line after it, as the kernel would read it. */
  | { readonly kind: 'script'; readonly interpreter: string }
  /** No program for this machine; `reason` completes "it is ...". */
  | { readonly kind: 'unfit'; readonly reason: string }

const EHDR_SIZE = 64
const PHDR_SIZE = 56
/** A program has about ten; the format allows 65,535, and nobody needs us to read those. */
const MOST_PROGRAM_HEADERS = 256
/** As the kernel's PATH_MAX. */
const LONGEST_INTERPRETER = 4096
/** BINPRM_BUF_SIZE: the kernel reads a script's first line from this many bytes. */
const SCRIPT_LINE_BYTES = 256

const EI_CLASS = 4
const EI_DATA = 5
const EI_OSABI = 7
const ELFCLASS64 = 2
const ELFDATA2LSB = 1
const ELFOSABI_SYSV = 0
const ELFOSABI_GNU = 3
const ET_EXEC = 2
const ET_DYN = 3
const EM_X86_64 = 62
const PT_LOAD = 1
const PT_INTERP = 3

const MACHINES: Readonly<Record<number, string>> = {
  3: 'i386',
  40: 'Arm',
  183: 'AArch64',
  243: 'RISC-V',
  21: 'PowerPC',
}
const FILE_TYPES: Readonly<Record<number, string>> = { 1: 'an object file, not linked yet', 4: 'a core dump' }

export function readProgram(file: FileBytes): Program {
  const head = file.read(0, SCRIPT_LINE_BYTES)
  if (head[0] === 0x23 && head[1] === 0x21) return { kind: 'script', interpreter: scriptInterpreter(head) }
  if (head.length === 0) return unfit('empty')
  if (!(head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46))
    return unfit('not an ELF program')
  if (head.length < EHDR_SIZE) return unfit('an ELF file cut short')
  return readElf(file, head)
}

function readElf(file: FileBytes, head: Uint8Array): Program {
  const header = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const osAbi = head[EI_OSABI]
  const type = header.getUint16(16, true)
  const machine = header.getUint16(18, true)
  if (head[EI_CLASS] !== ELFCLASS64) return unfit('a 32-bit program, and only x86-64 ones run here')
  if (head[EI_DATA] !== ELFDATA2LSB || machine !== EM_X86_64) {
    return unfit(`a program for ${MACHINES[machine] ?? `machine type ${machine}`}, and only x86-64 ones run here`)
  }
  if (osAbi !== ELFOSABI_SYSV && osAbi !== ELFOSABI_GNU) return unfit('a program for another system than Linux')
  if (type !== ET_EXEC && type !== ET_DYN) return unfit(FILE_TYPES[type] ?? 'an ELF file of unknown type')

  const phoff = header.getBigUint64(32, true)
  const phentsize = header.getUint16(54, true)
  const phnum = header.getUint16(56, true)
  if (phentsize !== PHDR_SIZE || phnum === 0 || phnum > MOST_PROGRAM_HEADERS) return unfit('a damaged ELF file')
  if (phoff + BigInt(phnum * PHDR_SIZE) > BigInt(file.size)) return unfit('an ELF file cut short')
  const headers = file.read(Number(phoff), phnum * PHDR_SIZE)
  if (headers.length < phnum * PHDR_SIZE) return unfit('an ELF file cut short')
  return readProgramHeaders(file, headers, { isStatic: type === ET_EXEC, entry: header.getBigUint64(24, true) })
}

function readProgramHeaders(
  file: FileBytes,
  headers: Uint8Array,
  { isStatic, entry }: { isStatic: boolean; entry: bigint },
): Program {
  const view = new DataView(headers.buffer, headers.byteOffset, headers.byteLength)
  let loads = 0
  for (let at = 0; at < headers.length; at += PHDR_SIZE) {
    const type = view.getUint32(at, true)
    const offset = view.getBigUint64(at + 8, true)
    const size = view.getBigUint64(at + 32, true)
    if (type !== PT_LOAD && type !== PT_INTERP) continue
    if (offset + size > BigInt(file.size)) return unfit('an ELF file cut short')
    if (type === PT_LOAD) loads++
    else return { kind: 'elf', linkage: 'dynamic', interpreter: interpreterPath(file, Number(offset), Number(size)) }
  }
  if (loads === 0) return unfit('an ELF file with nothing to load')
  if (!isStatic && entry === 0n) return unfit('a shared library')
  return { kind: 'elf', linkage: isStatic ? 'static' : 'static-pie' }
}

const interpreterPath = (file: FileBytes, offset: number, size: number): string =>
  printable(untilNul(file.read(offset, Math.min(size, LONGEST_INTERPRETER))))

function scriptInterpreter(head: Uint8Array): string {
  const end = head.indexOf(0x0a)
  return printable(untilNul(head.subarray(2, end === -1 ? head.length : end))).trim()
}

const untilNul = (bytes: Uint8Array): Uint8Array => {
  const end = bytes.indexOf(0)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

/** These strings end up in a message on a terminal: control characters must not. */
const printable = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8').decode(bytes).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu, '?')

const unfit = (reason: string): Program => ({ kind: 'unfit', reason })
