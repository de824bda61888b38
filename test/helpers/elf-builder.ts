/** A small well-formed ELF64 kernel with a PVH note, for tests that then break it. */

export const PVH_ENTRY = 0x100040

const SEGMENT_OFFSET = 0x1000
const NOTE_OFFSET = 0x200

export function buildElf({ note = true } = {}): Uint8Array {
  const file = new Uint8Array(0x1100)
  const view = new DataView(file.buffer)
  view.setUint32(0, 0x7f454c46)
  file.set([2, 1, 1], 4)
  view.setUint16(16, 2, true) // ET_EXEC
  view.setUint16(18, 62, true) // EM_X86_64
  view.setUint32(20, 1, true)
  view.setBigUint64(24, 0x100000n, true)
  view.setBigUint64(32, 64n, true) // e_phoff
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, note ? 2 : 1, true)
  programHeader(view, 64, { type: 1, offset: SEGMENT_OFFSET, paddr: 0x100000, size: 0x100, memory: 0x3000 })
  if (note) {
    programHeader(view, 120, { type: 4, offset: NOTE_OFFSET, paddr: 0, size: 20, memory: 20 })
    view.setUint32(NOTE_OFFSET, 4, true)
    view.setUint32(NOTE_OFFSET + 4, 4, true)
    view.setUint32(NOTE_OFFSET + 8, 18, true) // XEN_ELFNOTE_PHYS32_ENTRY
    view.setUint32(NOTE_OFFSET + 12, 0x58656e00) // "Xen"
    view.setUint32(NOTE_OFFSET + 16, PVH_ENTRY, true)
  }
  return file
}

interface ProgramHeader {
  type: number
  offset: number
  paddr: number
  size: number
  memory: number
}

function programHeader(view: DataView, at: number, { type, offset, paddr, size, memory }: ProgramHeader): void {
  view.setUint32(at, type, true)
  view.setUint32(at + 4, 7, true)
  view.setBigUint64(at + 8, BigInt(offset), true)
  view.setBigUint64(at + 16, BigInt(paddr), true)
  view.setBigUint64(at + 24, BigInt(paddr), true)
  view.setBigUint64(at + 32, BigInt(size), true)
  view.setBigUint64(at + 40, BigInt(memory), true)
}
