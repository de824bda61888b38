import test from 'ava'
import fc from 'fast-check'
import { FRAME_MAX, FrameError, frameReader, frames, HEADER_SIZE, STREAM } from '../../src/control/frames.ts'

type Frame = [stream: number, payload: string]

function readAll(slices: readonly Buffer[]): Frame[] {
  const seen: Frame[] = []
  const read = frameReader((stream, payload) => seen.push([stream, payload.toString('latin1')]))
  for (const slice of slices) read(slice)
  return seen
}

/** Cuts at the given places, in any order, some of them perhaps beyond the end. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return sorted.slice(1).map((end, at) => bytes.subarray(sorted[at], end))
}

test('however the bytes are sliced, the same frames come out', (t) => {
  const frame = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 40 }))
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (sent, places) => {
      const bytes = Buffer.concat(sent.map(([stream, payload]) => frames(stream, payload)))
      t.deepEqual(
        readAll(cut(bytes, places)),
        sent.map(([stream, payload]): Frame => [stream, Buffer.from(payload).toString('latin1')]),
      )
    }),
  )
})

test('many bytes go out in frames that are not above the maximum, and come back whole', (t) => {
  const bytes = Buffer.alloc(3 * FRAME_MAX + 1, 'abc')
  const seen = readAll([frames(STREAM.stdout, bytes)])
  t.deepEqual(
    seen.map(([, payload]) => payload.length),
    [FRAME_MAX, FRAME_MAX, FRAME_MAX, 1],
  )
  t.is(seen.map(([, payload]) => payload).join(''), bytes.toString('latin1'))
})

test('no bytes are one empty frame: the end of input', (t) => {
  t.deepEqual(readAll([frames(STREAM.stdin, Buffer.alloc(0))]), [[STREAM.stdin, '']])
})

test('a frame that says it is longer than the maximum is refused by its header alone', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: FRAME_MAX + 1, max: 2 ** 32 - 1 }), (length) => {
      const header = Buffer.alloc(HEADER_SIZE)
      header.writeUInt32BE(length, 4)
      t.throws(() => readAll([header]), { instanceOf: FrameError })
    }),
  )
})

test('arbitrary bytes give frames or a FrameError, nothing else', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (slices) => {
      try {
        readAll(slices.map((slice) => Buffer.from(slice)))
      } catch (error) {
        t.true(error instanceof FrameError)
      }
    }),
  )
  t.pass()
})
