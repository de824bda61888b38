/** A small ELF64 program file, for tests that then lie in one of its fields. */

interface ProgramFields {
  elfClass?: number
  osAbi?: number
  type?: number
  machine?: number
  entry?: bigint
  phoff?: bigint
  phentsize?: number
  phnum?: number
  /** p_filesz of PT_LOAD. */
  fileSize?: bigint
  interpreter?: string
}

const HEADERS_END = 64 + 2 * 56

export function buildProgram({
  elfClass = 2,
  osAbi = 0,
  type = 2,
  machine = 62,
  entry = 0x401000n,
  phoff = 64n,
  phentsize = 56,
  phnum,
  fileSize,
  interpreter,
}: ProgramFields = {}): Uint8Array {
  const name = new TextEncoder().encode(interpreter === undefined ? '' : `${interpreter}\0`)
  const file = new Uint8Array(HEADERS_END + name.length)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, elfClass, 1, 1, osAbi])
  view.setUint16(16, type, true)
  view.setUint16(18, machine, true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, entry, true)
  view.setBigUint64(32, phoff, true)
  view.setUint16(52, 64, true)
  view.setUint16(54, phentsize, true)
  view.setUint16(56, phnum ?? (interpreter === undefined ? 1 : 2), true)
  const header = (at: number, kind: number, offset: bigint, size: bigint): void => {
    view.setUint32(at, kind, true)
    view.setBigUint64(at + 8, offset, true)
    view.setBigUint64(at + 32, size, true)
  }
  header(64, 1, 0n, fileSize ?? BigInt(file.length))
  if (interpreter !== undefined) header(120, 3, BigInt(HEADERS_END), BigInt(name.length))
  file.set(name, HEADERS_END)
  return file
}
