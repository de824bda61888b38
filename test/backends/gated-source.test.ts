import test from 'ava'
import { createBufferSource } from '../../src/backends/buffer-stream.ts'
import { createGatedSource } from '../../src/backends/gated-source.ts'

const setUp = () => {
  const source = createBufferSource()
  const gated = createGatedSource(source)
  const told: number[] = []
  gated.onReadable(() => told.push(gated.delivered))
  const read = (count: number) => {
    const into = new Uint8Array(count)
    return Buffer.from(into.subarray(0, gated.read(into))).toString()
  }
  return { source, gated, told, read }
}

test('what goes through an open gate is counted', (t) => {
  const { source, gated, read } = setUp()
  source.push(Buffer.from('abcdef'))
  t.is(read(4), 'abcd')
  t.is(gated.delivered, 4)
  t.is(read(4), 'ef')
  t.is(gated.delivered, 6)
})

test('nothing goes through a shut gate, and whoever looked hears of its opening', (t) => {
  const { source, gated, told, read } = setUp()
  gated.shut()
  source.push(Buffer.from('abc'))
  t.is(read(8), '')
  t.deepEqual([gated.delivered, told.length], [0, 0])
  gated.open()
  t.is(told.length, 1)
  t.is(read(8), 'abc')
})

test('bytes that come while the gate is shut are told of when it opens', (t) => {
  const { source, gated, told, read } = setUp()
  t.is(read(8), '')
  gated.shut()
  source.push(Buffer.from('late'))
  t.deepEqual(told, [])
  gated.open()
  t.is(told.length, 1)
  t.is(read(8), 'late')
})

test('an opening that nobody waited for is not told', (t) => {
  const { gated, told } = setUp()
  gated.shut()
  gated.open()
  t.deepEqual(told, [])
})
