/** Reads a cpio archive by the rules of the format, sharing nothing with the code that wrote it. */
import { type CpioEntry, planCpio } from '../../src/image/cpio.ts'

export interface CpioRecord {
  /** As bytes, and for people. */
  name: Buffer
  path: string
  ino: number
  mode: number
  nlink: number
  mtime: number
  rdev: [major: number, minor: number]
  content: Buffer
}

export function readCpio(archive: Uint8Array): CpioRecord[] {
  const bytes = Buffer.from(archive)
  const records: CpioRecord[] = []
  for (let at = 0; ; ) {
    if (bytes.toString('latin1', at, at + 6) !== '070701') throw new Error(`no header at ${at}`)
    const field = (index: number) =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const nameEnd = at + 110 + field(11)
    const name = bytes.subarray(at + 110, bytes.indexOf(0, at + 110))
    const path = name.toString()
    const contentAt = (nameEnd + 3) & ~3
    const content = bytes.subarray(contentAt, contentAt + field(6))
    if (path === 'TRAILER!!!') return records
    const [ino, mode, , , nlink, mtime] = [0, 1, 2, 3, 4, 5].map(field) as [number, number, 0, 0, number, number]
    records.push({ name, path, ino, mode, nlink, mtime, rdev: [field(9), field(10)], content })
    at = (contentAt + content.length + 3) & ~3
  }
}

export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const archive = planCpio(entries)
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  return bytes
}
