import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import { mapZeros } from '../../src/memory/map-image.ts'
import { PAGE_SIZE } from '../../src/memory/memory-map.ts'
import { writtenPages } from '../../src/memory/written-pages.ts'

const PAGES = 64
const SIZE = PAGES * PAGE_SIZE

test('exactly the pages that were written are told, neighbours as one range', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(PAGES - 1), { maxLength: PAGES }), (pages) => {
      const address = mapZeros(SIZE)
      try {
        const bytes = new Uint8Array(viewMemory(address, SIZE))
        for (const page of pages) bytes[page * PAGE_SIZE] = 1
        const told = writtenPages(address, SIZE)
        const each = told.flatMap(({ offset, length }) =>
          Array.from({ length: length / PAGE_SIZE }, (_, index) => offset / PAGE_SIZE + index),
        )
        const apart = told.every(
          ({ offset }, index) => index === 0 || offset > told[index - 1]!.offset + told[index - 1]!.length,
        )
        return apart && String(each) === String(pages.toSorted((a, b) => a - b))
      } finally {
        munmap(address, SIZE)
      }
    }),
    { numRuns: 50 },
  )
  t.pass()
})

test('where nobody may look, or little is told, everything may have been written', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-pagemap-'))
  try {
    const all = [{ offset: 0, length: SIZE }]
    t.deepEqual(writtenPages(0x10_0000n, SIZE, join(directory, 'none')), all)
    writeFileSync(join(directory, 'empty'), '')
    t.deepEqual(writtenPages(0x10_0000n, SIZE, join(directory, 'empty')), all)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
