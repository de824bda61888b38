import test from 'ava'
import fc from 'fast-check'
import { GatheredBytes } from '../../src/backends/gathered-bytes.ts'

test('bytes come out once and in order, whatever pieces they came in', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40_000 }), fc.constant(-1)), {
        maxLength: 60,
      }),
      (lengths) => {
        const bytes = new GatheredBytes()
        const [given, taken]: [Uint8Array[], Uint8Array[]] = [[], []]
        for (const [i, length] of lengths.entries()) {
          if (length < 0) taken.push(...bytes.take())
          else {
            const piece = new Uint8Array(length).fill(i)
            given.push(piece.slice())
            bytes.push(piece)
          }
        }
        const { length } = bytes
        const rest = bytes.take()
        if (length !== Buffer.concat(rest).length || bytes.length !== 0) throw new Error(`${length} bytes were said`)
        return Buffer.concat([...taken, ...rest]).equals(Buffer.concat(given))
      },
    ),
    { numRuns: 200 },
  )
  t.pass()
})

test('pieces of one byte do not cost a part each (class 24)', (t) => {
  const bytes = new GatheredBytes()
  for (let i = 0; i < 256 * 1024; i++) bytes.push(Uint8Array.of(i))
  t.is(bytes.length, 256 * 1024)
  t.is(bytes.take().length, 17)
})
