/**
 * What the reader and the writer of tar archives share. Names are bytes to Linux and stay so here: as strings of one
 * character a byte ("latin1"). POSIX.1-2008, pax, "ustar Interchange Format"; the same in C: rootfs/tool/tar.h.
 */
import { basename } from 'node:path'
import { printable } from './printable.ts'

export const BLOCK = 512

export const TYPE = { file: '0', link: '1', symlink: '2', directory: '5' } as const

export interface TarHeader {
  /** One of TYPE, or some other letter. */
  readonly type: string
  readonly name: string
  /** Where a link leads. */
  readonly link: string
  readonly size: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds. */
  readonly mtime: number
}

/** Of a ustar header: offset and length. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const

export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

/** The sum of all bytes, those of the checksum itself taken as spaces. */
export function checksum(header: Buffer): number {
  const [at, length] = FIELD.checksum
  let sum = 0
  for (const byte of header) sum += byte
  for (const byte of header.subarray(at, at + length)) sum += 0x20 - byte
  return sum
}

export const nameBytes = (name: string): Buffer => Buffer.from(name, 'latin1')

/** What an archive of this path calls it: its last part, and "." for one that has none of its own. */
export function rootName(path: string): string {
  const last = basename(path)
  return last === '' || last === '..' ? '.' : Buffer.from(last).toString('latin1')
}

/** For a person. */
export const shownName = (name: string): string => printable(nameBytes(name).toString('utf8'))
