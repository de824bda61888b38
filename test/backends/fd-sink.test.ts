import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createFdSink } from '../../src/backends/fd-sink.ts'

const scratch = (t: ExecutionContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-fd-sink-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Both ends of a fifo, the writing one blocking, as a shell would hand it over. */
const openFifo = (t: ExecutionContext): { reader: number; writer: number } => {
  const path = join(scratch(t), 'fifo')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY)
  return { reader, writer }
}

const flagsOf = (fd: number): number =>
  Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8)

/** How many descriptors of this process are open on what `fd` is open on. */
const descriptorsOn = (fd: number): number => {
  const path = readlinkSync(`/proc/self/fd/${fd}`)
  const links = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return undefined
    }
  })
  return links.filter((link) => link === path).length
}

const read = (fd: number, size = 1 << 20): Buffer => {
  const bytes = Buffer.alloc(size)
  try {
    return bytes.subarray(0, readSync(fd, bytes))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return Buffer.alloc(0)
    throw error
  }
}

test('a regular file is written where its descriptor stands, after what is there', (t) => {
  const path = join(scratch(t), 'out')
  const fd = openSync(path, 'w')
  writeSync(fd, 'before ')
  const sink = createFdSink(fd)
  t.is(sink.write(Buffer.from('after')), 5)
  sink.close()
  writeSync(fd, ' end')
  closeSync(fd)
  t.is(readFileSync(path, 'utf8'), 'before after end')
})

test('a full pipe does not block: the rest is asked for when a reader made room', async (t) => {
  const { reader, writer } = openFifo(t)
  const sink = createFdSink(writer)
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))
  let sent = sink.write(bytes)
  t.true(sent < bytes.length)
  t.is(sink.write(bytes.subarray(sent)), 0)

  const received: Buffer[] = []
  const finished = new Promise<void>((resolve) => {
    sink.onDrain(() => {
      received.push(read(reader))
      sent += sink.write(bytes.subarray(sent))
      if (sent === bytes.length) resolve()
    })
  })
  await finished
  for (let piece = read(reader); piece.length > 0; piece = read(reader)) received.push(piece)
  t.deepEqual(Buffer.concat(received), bytes)
  sink.close()
  closeSync(writer)
  closeSync(reader)
})

test('the descriptor given keeps its flags: it stays blocking for whoever shares it', (t) => {
  const { reader, writer } = openFifo(t)
  const before = flagsOf(writer)
  const sink = createFdSink(writer)
  sink.write(Buffer.from('x'))
  t.is(flagsOf(writer), before)
  t.is(flagsOf(writer) & constants.O_NONBLOCK, 0)
  sink.close()
  closeSync(writer)
  closeSync(reader)
})

test('a pipe without a reader is reported once, and output is swallowed from then on', (t) => {
  const { reader, writer } = openFifo(t)
  const codes: (string | undefined)[] = []
  const sink = createFdSink(writer, { onClosed: ({ code }) => codes.push(code) })
  closeSync(reader)
  t.is(sink.write(Buffer.from('abc')), 3)
  t.is(sink.write(Buffer.from('abc')), 3)
  t.deepEqual(codes, ['EPIPE'])
  sink.close()
  closeSync(writer)
})

test('closing the sink releases what it opened and nothing else', (t) => {
  const { reader, writer } = openFifo(t)
  const before = descriptorsOn(writer)
  const sink = createFdSink(writer)
  t.is(descriptorsOn(writer), before + 1)
  sink.close()
  t.is(descriptorsOn(writer), before)
  t.is(writeSync(writer, 'still open'), 10)
  closeSync(writer)
  closeSync(reader)
})

test('a device such as /dev/null takes everything', (t) => {
  const fd = openSync('/dev/null', 'w')
  const sink = createFdSink(fd)
  t.is(sink.write(new Uint8Array(1 << 20)), 1 << 20)
  sink.close()
  closeSync(fd)
})

/** A program with the sink on descriptor 3, which this test holds the other end of. */
const inChild = (script: string) =>
  spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] })

test('a socket is written by events, bounded, and flush waits for the last byte', async (t) => {
  // A "pipe" of Node's child processes is a socket pair.
  const sinkUrl = new URL('../../src/backends/fd-sink.js', import.meta.url).href
  const child = inChild(
    `import { createFdSink } from '${sinkUrl}'
     const sink = createFdSink(3)
     const bytes = Buffer.alloc(1 << 20, 'cloister')
     let sent = 0
     const more = () => {
       sent += sink.write(bytes.subarray(sent))
       if (sent === bytes.length) sink.flush().then(() => process.exit(0))
     }
     sink.onDrain(more)
     more()
     if (sent === bytes.length) throw new Error('a megabyte was taken at once')`,
  )
  let length = 0
  let first = ''
  for await (const chunk of child.stdio[3] as unknown as AsyncIterable<Buffer>) {
    first ||= chunk.subarray(0, 8).toString()
    length += chunk.length
  }
  t.is(length, 1 << 20)
  t.is(first, 'cloister')
})

test('a socket whose other end went away is reported once', async (t) => {
  const sinkUrl = new URL('../../src/backends/fd-sink.js', import.meta.url).href
  const child = inChild(
    `import { createFdSink } from '${sinkUrl}'
     let closed = 0
     const sink = createFdSink(3, { onClosed: () => closed++ })
     const timer = setInterval(() => {
       sink.write(Buffer.alloc(1000))
       if (closed === 0) return
       clearInterval(timer)
       if (sink.write(Buffer.alloc(10)) !== 10) process.exit(2)
       setImmediate(() => process.exit(closed === 1 ? 0 : 3))
     }, 1)`,
  )
  ;(child.stdio[3] as unknown as { destroy(): void }).destroy()
  const status = await new Promise((resolve) => child.once('exit', resolve))
  t.is(status, 0)
})
