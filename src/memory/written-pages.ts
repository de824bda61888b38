/**
 * Which pages of a private mapping have been written since it was made, by whomever: the guest, a device, the kernel on
 * behalf of one. Each is then an anonymous page of this process. Linux Documentation/admin-guide/mm/pagemap.rst
 */
import { closeSync, openSync, readSync } from 'node:fs'
import type { PageRange } from './memory-image.ts'
import { PAGE_SIZE } from './memory-map.ts'

const ENTRY_BYTES = 8
/** Bits 63, 62 and 61 of an entry, in its upper half: present, swapped, of a file. */
const THERE = 0xc000_0000
const OF_A_FILE = 0x2000_0000
const BATCH_PAGES = 65_536

/** As offsets from the address. All of it where this process may not look. */
export function writtenPages(address: bigint, size: number, pagemap = '/proc/self/pagemap'): PageRange[] {
  let fd: number
  try {
    fd = openSync(pagemap, 'r')
  } catch {
    return [{ offset: 0, length: size }]
  }
  try {
    return runs(fd, Number(address) / PAGE_SIZE, Math.ceil(size / PAGE_SIZE))
  } finally {
    closeSync(fd)
  }
}

function runs(fd: number, firstPage: number, pages: number): PageRange[] {
  const found: PageRange[] = []
  const entries = new Uint32Array((Math.min(pages, BATCH_PAGES) * ENTRY_BYTES) / 4)
  let begun: number | undefined
  for (let done = 0; done < pages; ) {
    const wanted = Math.min(pages - done, BATCH_PAGES) * ENTRY_BYTES
    const got = readSync(fd, entries, 0, wanted, (firstPage + done) * ENTRY_BYTES) / ENTRY_BYTES
    // Nothing more is said: everything may have been written.
    if (got < 1) entries.fill(THERE)
    const count = got < 1 ? wanted / ENTRY_BYTES : Math.floor(got)
    for (let index = 0; index < count; index++) {
      const upper = entries[2 * index + 1]!
      const written = (upper & THERE) !== 0 && (upper & OF_A_FILE) === 0
      if (written) begun ??= done + index
      else if (begun !== undefined) {
        found.push(range(begun, done + index))
        begun = undefined
      }
    }
    done += count
  }
  if (begun !== undefined) found.push(range(begun, pages))
  return found
}

const range = (from: number, to: number): PageRange => ({ offset: from * PAGE_SIZE, length: (to - from) * PAGE_SIZE })
