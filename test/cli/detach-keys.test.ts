import test from 'ava'
import fc from 'fast-check'
import { detachKeys } from '../../src/cli/detach-keys.ts'

const CTRL_P = 0x10
const CTRL_Q = 0x11

const type = (...slices: number[][]) => {
  const keys = detachKeys()
  const passed: number[] = []
  for (const slice of slices) {
    const { bytes, detached } = keys(Uint8Array.from(slice))
    passed.push(...bytes)
    if (detached) return { passed, detached }
  }
  return { passed, detached: false }
}

test('Ctrl-P Ctrl-Q detaches, in one read or two, and what was typed before goes on', (t) => {
  t.deepEqual(type([97, CTRL_P, CTRL_Q, 98]), { passed: [97], detached: true })
  t.deepEqual(type([97, CTRL_P], [CTRL_Q]), { passed: [97], detached: true })
})

test('Ctrl-P waits for the next key, and goes on before it', (t) => {
  t.deepEqual(type([CTRL_P]), { passed: [], detached: false })
  t.deepEqual(type([CTRL_P], [97]), { passed: [CTRL_P, 97], detached: false })
  t.deepEqual(type([CTRL_P, CTRL_P, CTRL_Q]), { passed: [CTRL_P], detached: true })
})

test('without the two keys every byte goes on in order, but a Ctrl-P at the very end', (t) => {
  const bytes = fc.array(fc.oneof(fc.constantFrom(CTRL_P, 97), fc.integer({ min: 18, max: 255 })))
  fc.assert(
    fc.property(fc.array(bytes), (slices) => {
      const typed = slices.flat()
      const expected = typed.at(-1) === CTRL_P ? typed.slice(0, -1) : typed
      t.deepEqual(type(...slices), { passed: expected, detached: false })
    }),
  )
})
