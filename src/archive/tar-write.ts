/** Headers of a tar archive: ustar, with pax records for what does not fit. */
import { BLOCK, checksum, FIELD, nameBytes, paddingOf, type TarHeader } from './tar-format.ts'

/** The most that eleven and seven octal digits hold. */
const SIZE_MAX = 0o77777777777
const ID_MAX = 0o7777777

/** The blocks before the bytes of an entry. */
export function headerBlocks(header: TarHeader): Buffer {
  const records = recordsOf(header)
  const plain = ustar(header, header.type, header.name, header.size)
  if (records.length === 0) return plain
  const extension = ustar({ ...header, link: '' }, 'x', 'pax', records.length)
  return Buffer.concat([extension, records, Buffer.alloc(paddingOf(records.length)), plain])
}

export const ARCHIVE_END = Buffer.alloc(2 * BLOCK)

function recordsOf({ name, link, size, uid, gid, mtime }: TarHeader): Buffer {
  const records: string[] = []
  if (name.length > FIELD.name[1]) records.push(record('path', name))
  if (link.length > FIELD.link[1]) records.push(record('linkpath', link))
  if (size > SIZE_MAX) records.push(record('size', String(size)))
  if (uid > ID_MAX) records.push(record('uid', String(uid)))
  if (gid > ID_MAX) records.push(record('gid', String(gid)))
  if (mtime < 0 || mtime > SIZE_MAX) records.push(record('mtime', String(mtime)))
  return nameBytes(records.join(''))
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits too. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length
  return `${length}${rest}`
}

/** What is too long is cut short: the record before it has all of it. */
function ustar({ mode, uid, gid, mtime, link }: TarHeader, type: string, name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const text = ([at, length]: readonly [number, number], value: string) => {
    block.write(value.slice(0, length), at, 'latin1')
  }
  const octal = ([at, length]: readonly [number, number], value: number, most: number) =>
    text([at, length], (value >= 0 && value <= most ? value : 0).toString(8).padStart(length - 1, '0'))
  text(FIELD.name, name)
  octal(FIELD.mode, mode & 0o7777, 0o7777)
  octal(FIELD.uid, uid, ID_MAX)
  octal(FIELD.gid, gid, ID_MAX)
  octal(FIELD.size, size, SIZE_MAX)
  octal(FIELD.mtime, mtime, SIZE_MAX)
  text(FIELD.type, type)
  text(FIELD.link, link)
  text(FIELD.magic, 'ustar')
  text(FIELD.version, '00')
  text(FIELD.checksum, `${checksum(block).toString(8).padStart(6, '0')}\0 `)
  return block
}
