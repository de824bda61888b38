import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import {
  type ImagePiece,
  knownZero,
  type MemoryImage,
  overlay,
  piecesIn,
  readImage,
} from '../../src/memory/memory-image.ts'

const SIZE = 64

function withFile<T>(run: (fd: number) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-image-'))
  const path = join(directory, 'bytes')
  writeFileSync(
    path,
    Uint8Array.from({ length: 256 }, (_, index) => index),
  )
  const fd = openSync(path, 'r')
  try {
    return run(fd)
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
}

const nothing: MemoryImage = { size: SIZE, pieces: [{ offset: 0, length: SIZE, at: 0 }] }

/** Pieces in order without overlap: lengths of gaps and pieces by turns. */
const layer = fc
  .array(fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 12 }), fc.nat(180), fc.boolean()), { maxLength: 6 })
  .map((parts) => {
    const pieces: (ImagePiece & { readonly zero: boolean })[] = []
    let offset = 0
    for (const [gap, length, at, zero] of parts) {
      offset += gap
      if (offset + length > SIZE) break
      pieces.push({ offset, length, at, zero })
      offset += length
    }
    return pieces
  })

test('layers over layers read as if each were copied over the one below', (t) => {
  withFile((fd) => {
    fc.assert(
      fc.property(fc.array(layer, { maxLength: 4 }), fc.nat(SIZE), fc.nat(SIZE), (layers, a, b) => {
        const model = new Uint8Array(SIZE)
        let image = nothing
        for (const pieces of layers) {
          for (const { offset, length, at, zero } of pieces) {
            for (let index = 0; index < length; index++) model[offset + index] = zero ? 0 : at + index
          }
          image = overlay(
            image,
            pieces.map(({ zero, ...piece }) => (zero ? piece : { ...piece, fd })),
          )
        }
        let end = 0
        for (const { offset, length } of image.pieces) {
          if (offset !== end || length <= 0) return false
          end += length
        }
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const read = new Uint8Array(to - from).fill(0xee)
        readImage(image, from, read)
        const zeros = !knownZero(image, from, to - from) || read.every((byte) => byte === 0)
        return end === SIZE && zeros && Buffer.from(read).equals(model.subarray(from, to))
      }),
    )
  })
  t.pass()
})

test('a file that has become shorter is an error, not zeros', (t) => {
  withFile((fd) => {
    const image = overlay(nothing, [{ offset: 0, length: 16, fd, at: 250 }])
    t.throws(() => readImage(image, 0, new Uint8Array(16)), { instanceOf: RangeError })
    t.deepEqual(piecesIn(image, 8, 16), [
      { offset: 8, length: 8, fd, at: 258 },
      { offset: 16, length: 8, at: 16 },
    ])
  })
})
