import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { EAGAIN, EFD_NONBLOCK } from '../../kvm-bindings/constants.ts'
import { eventfd, pipe } from '../../kvm-bindings/ffi.ts'
import { IOV_MAX, preadv, preadvAsync, pwritev, pwritevAsync, readv, writev } from '../../kvm-bindings/vector-io.ts'
import { IoVector } from '../../src/memory/io-vector.ts'
import { allocateRam } from '../../src/memory/ram.ts'

const withFile = <T>(content: Uint8Array, work: (fd: number, path: string) => T): T => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-iov-'))
  const path = join(directory, 'file')
  writeFileSync(path, content)
  const fd = openSync(path, 'r+')
  try {
    return work(fd, path)
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
}

const counted = (length: number) => Uint8Array.from({ length }, (_, index) => index & 0xff)

test('a vector names the segments, from an offset, for a length: the kernel fills exactly those bytes', (t) => {
  const parts = fc.array(fc.nat({ max: 20 }), { maxLength: 40 })
  fc.assert(
    fc.property(parts, fc.nat({ max: 200 }), fc.nat({ max: 400 }), (lengths, offset, length) => {
      const total = lengths.reduce((sum, one) => sum + one, 0)
      const host = new Uint8Array(total + 2 * lengths.length)
      let at = 0
      // A gap of one byte before and after each segment.
      const segments = lengths.map((size) => {
        const segment = host.subarray(at + 1, at + 1 + size)
        at += size + 2
        return segment
      })
      const vector = new IoVector()
      const named = vector.pack(segments, offset, length)
      t.is(named, Math.max(0, Math.min(length, total - offset)))
      const expected = host.slice()
      withFile(new Uint8Array(500).fill(0x7e), (fd) => t.is(preadv(fd, vector, 0), named))
      let skip = offset
      let left = named
      at = 0
      for (const size of lengths) {
        for (let i = 0; i < size; i++) {
          if (skip > 0) skip--
          else if (left > 0) {
            left--
            expected[at + 1 + i] = 0x7e
          }
        }
        at += size + 2
      }
      t.deepEqual(host, expected)
      vector.fill(new Uint8Array(named).fill(0x7f))
      t.deepEqual(
        host,
        expected.map((byte) => (byte === 0x7e ? 0x7f : byte)),
        'filling it by hand means the same bytes',
      )
    }),
    { numRuns: 100 },
  )
})

test('guest memory goes to a file and comes back without passing through JavaScript', (t) => {
  const ram = allocateRam(2 ** 20)
  const bytes = ram.memory.bytes(0x2000, 8192)
  bytes.set(counted(8192))
  const vector = new IoVector()
  withFile(new Uint8Array(0), (fd, path) => {
    vector.pack([bytes.subarray(4096), bytes.subarray(0, 4096)])
    t.is(pwritev(fd, vector, 100), 8192)
    t.deepEqual(new Uint8Array(readFileSync(path).subarray(100)), counted(8192))
    vector.pack([ram.memory.bytes(0x8000, 8192)])
    t.is(preadv(fd, vector, 100), 8192)
    t.deepEqual(ram.memory.bytes(0x8000, 8192).slice(), counted(8192))
  })
  ram.close()
})

test('more segments than Linux takes at once are named in several goes', (t) => {
  const host = new Uint8Array(2 * IOV_MAX + 5)
  const segments = Array.from(host, (_, index) => host.subarray(index, index + 1))
  const vector = new IoVector()
  const content = counted(host.length)
  withFile(content, (fd) => {
    let done = 0
    while (done < host.length) {
      const named = vector.pack(segments, done)
      t.true(vector.count <= IOV_MAX)
      t.is(preadv(fd, vector, done), named)
      done += named
    }
  })
  t.deepEqual(host, content)
})

test('what the kernel refuses is an answer: minus errno', (t) => {
  const vector = new IoVector()
  vector.pack([new Uint8Array(8)])
  t.is(preadv(-1, vector, 0), -9) // EBADF
  withFile(new Uint8Array(4), (fd) => t.is(preadv(fd, vector, 4), 0))
  const empty = eventfd(0, EFD_NONBLOCK)
  t.is(readv(empty, vector), -EAGAIN)
  closeSync(empty)
  const [read, write] = pipe()
  t.is(writev(write, vector), 8)
  t.is(readv(read, vector), 8)
  closeSync(read)
  closeSync(write)
})

test('the same on a thread of the pool', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-iov-'))
  const path = join(directory, 'file')
  writeFileSync(path, '')
  const fd = openSync(path, 'r+')
  const [out, back] = [new IoVector(), new IoVector()]
  const into = new Uint8Array(100)
  out.pack([counted(100)])
  back.pack([into])
  t.is(await new Promise<number>((resolve) => pwritevAsync(fd, out, 0, resolve)), 100)
  t.is(await new Promise<number>((resolve) => preadvAsync(fd, back, 0, resolve)), 100)
  t.deepEqual(into, counted(100))
  t.is(await new Promise<number>((resolve) => preadvAsync(-1, back, 0, resolve)), -9)
  closeSync(fd)
  rmSync(directory, { recursive: true })
})
