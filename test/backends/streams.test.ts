import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { pipe } from '../../kvm-bindings/ffi.ts'
import { createBufferSink, createBufferSource } from '../../src/backends/buffer-stream.ts'
import { createStreamSource } from '../../src/backends/stream-source.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

test('a buffer sink takes what it has room for, and tells when there is room again', (t) => {
  const sink = createBufferSink({ capacity: 4 })
  let drains = 0
  sink.onDrain(() => drains++)
  t.is(sink.write(Buffer.from('abc')), 3)
  t.is(sink.write(Buffer.from('def')), 1)
  t.is(sink.write(Buffer.from('ef')), 0)
  t.is(sink.takeText(), 'abcd')
  t.is(drains, 1)
  sink.take()
  t.is(drains, 1)
})

test('a buffer sink keeps a copy, not the memory it was given', (t) => {
  const sink = createBufferSink()
  const bytes = Buffer.from('abc')
  sink.write(bytes)
  bytes.fill(0)
  t.is(sink.takeText(), 'abc')
})

test('a buffer source tells once that bytes came, and only after somebody found it empty', (t) => {
  const source = createBufferSource()
  let calls = 0
  source.onReadable(() => calls++)
  source.push(Buffer.from('a'))
  t.is(calls, 0)
  const into = new Uint8Array(2)
  t.is(source.read(into), 1)
  t.is(source.read(into), 0)
  source.push(Buffer.from('b'))
  source.push(Buffer.from('c'))
  t.is(calls, 1)
  t.is(source.read(into), 2)
  t.is(text(into), 'bc')
})

test('however bytes are pushed and read, they come out whole and in order', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 20 })),
      fc.array(fc.integer({ min: 1, max: 9 })),
      (pushed, sizes) => {
        const source = createBufferSource()
        for (const bytes of pushed) source.push(bytes)
        const all = Buffer.concat(pushed)
        const out: Buffer[] = []
        for (const size of [...sizes, all.length + 1]) {
          const into = Buffer.alloc(size)
          out.push(into.subarray(0, source.read(into)))
        }
        return Buffer.concat(out).equals(all) && source.length === 0
      },
    ),
  )
  t.pass()
})

const readAll = async (source: ReturnType<typeof createStreamSource>, done: () => boolean): Promise<string> => {
  const into = new Uint8Array(7)
  let all = ''
  for (;;) {
    const count = source.read(into)
    all += text(into.subarray(0, count))
    if (count > 0) continue
    if (done()) return all
    await new Promise(setImmediate)
  }
}

test('a stream source gives what the stream gives, then says how many bytes there were', async (t) => {
  let total: number | undefined
  const source = createStreamSource(Readable.from([Buffer.from('hello '), Buffer.from('world')]), {
    onEnd: (bytes) => {
      total = bytes
    },
  })
  t.is(await readAll(source, () => total !== undefined), 'hello world')
  t.is(total, 11)
})

test('a stream source leaves the stream alone until somebody reads', async (t) => {
  const stream = new PassThrough()
  createStreamSource(stream)
  stream.write('early')
  await new Promise(setImmediate)
  t.is(stream.readableLength, 5)
})

test('a stream source keeps a bounded number of bytes waiting, and loses none', async (t) => {
  let given = 0
  const stream = new Readable({
    highWaterMark: 1000,
    read() {
      given += 1000
      this.push(given <= 100_000 ? Buffer.alloc(1000, given / 1000) : null)
    },
  })
  let total: number | undefined
  const source = createStreamSource(stream, {
    maxWaitingBytes: 5000,
    onEnd: (bytes) => {
      total = bytes
    },
  })
  source.read(new Uint8Array(1))
  for (let i = 0; i < 50; i++) await new Promise(setImmediate)
  t.true(given <= 8000, `${given} bytes were read ahead`)
  await readAll(source, () => total !== undefined)
  t.is(total, 100_000)
})

test('a stream source tells its reader when bytes come after none', async (t) => {
  const stream = new PassThrough()
  const source = createStreamSource(stream)
  const readable = new Promise<void>((resolve) => source.onReadable(resolve))
  t.is(source.read(new Uint8Array(4)), 0)
  stream.write('x')
  await readable
  t.is(source.read(new Uint8Array(4)), 1)
})

test('a stream that fails has ended, once', async (t) => {
  const ends: number[] = []
  const stream = new PassThrough()
  const source = createStreamSource(stream, { onEnd: (bytes) => ends.push(bytes) })
  source.read(new Uint8Array(1))
  stream.write('abc')
  await new Promise(setImmediate)
  stream.destroy(new Error('gone'))
  await new Promise(setImmediate)
  t.deepEqual(ends, [3])
})

test('an input that ended before anybody read from it is at its end', async (t) => {
  const [read, write] = pipe()
  const socket = new Socket({ fd: read, readable: true, writable: false })
  closeSync(write)
  await once(socket, 'end')
  const total = await new Promise<number>((resolve) => {
    t.is(createStreamSource(socket, { onEnd: resolve }).read(new Uint8Array(8)), 0)
  })
  t.is(total, 0)
})
