import { closeSync, readSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { pipe } from '../../kvm-bindings/ffi.ts'
import { writev } from '../../kvm-bindings/vector-io.ts'
import { IoVector } from '../../src/memory/io-vector.ts'

test('a vector used as a queue names what was appended and not dropped, in order', (t) => {
  const [read, write] = pipe()
  const into = new Uint8Array(4096)
  try {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom('first' as const, 'last' as const)), {
          maxLength: 120,
        }),
        (steps) => {
          const vector = new IoVector()
          const named: Uint8Array[] = []
          for (const [seed, step] of steps.entries()) {
            if (step === 'first') {
              const gone = named.shift()
              if (gone) vector.dropFirst(1, gone.length)
            } else if (step === 'last') {
              const gone = named.pop()
              if (gone) vector.dropLast(gone.length)
            } else {
              const segment = new Uint8Array(step).fill(seed)
              named.push(segment)
              if (vector.append([segment]) !== step) throw new Error('not all was named')
            }
            const expected = Buffer.concat(named)
            if (vector.length !== expected.length || vector.count !== named.length) throw new Error('counts differ')
            if (expected.length === 0 || expected.length > into.length) continue
            if (writev(write, vector) !== expected.length) throw new Error('not all was written')
            readSync(read, into, 0, expected.length, null)
            if (!expected.equals(into.subarray(0, expected.length))) throw new Error('other bytes')
          }
        },
      ),
      { numRuns: 200 },
    )
  } finally {
    closeSync(read)
    closeSync(write)
  }
  t.pass()
})
