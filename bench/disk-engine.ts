/**
 * How a block of a disk gets from the host's page cache into memory and back: on the spot (preadv2 with RWF_NOWAIT,
 * pwritev), by io_uring, or by a thread of libuv's pool. What decides between them in src/backends/disk/file-io.ts.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RWF_NOWAIT } from '../kvm-bindings/constants.ts'
import { preadv2, pwritev } from '../kvm-bindings/vector-io.ts'
import type { AsyncFiles } from '../src/backends/disk/async-files.ts'
import { createPoolFiles } from '../src/backends/disk/pool-files.ts'
import { createRingFiles } from '../src/backends/disk/ring-files.ts'
import { Reactor } from '../src/backends/reactor.ts'
import { IoVector } from '../src/memory/io-vector.ts'
import { allocateRam } from '../src/memory/ram.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const FILE_BYTES = 64 * 2 ** 20
const MIB = 2 ** 20

type Start = (vector: IoVector, offset: number, done: (result: number) => void) => void

interface Engine {
  readonly name: string
  readonly read: Start
  readonly write: Start
  readonly submit: () => void
}

interface Load {
  readonly what: 'read' | 'write'
  readonly bytes: number
  readonly depth: number
  readonly requests: number
}

const loads: readonly Load[] = (['read', 'write'] as const).flatMap((what) =>
  [
    { bytes: 4096, depth: 1, requests: 500 },
    { bytes: 4096, depth: 16, requests: 1600 },
    { bytes: MIB, depth: 1, requests: 50 },
    { bytes: MIB, depth: 16, requests: 96 },
  ].map((size) => ({ what, ...size })),
)

const directory = mkdtempSync(join(tmpdir(), 'cloister-disk-engine-'))
const path = join(directory, 'disk')
writeFileSync(path, Buffer.alloc(FILE_BYTES, 1))
const fd = openSync(path, 'r+')
const ram = allocateRam(64 * MIB)
const reactor = new Reactor((error) => {
  throw error
})
const ring = createRingFiles(reactor)
reactor.start()

const asynchronous = (name: string, files: AsyncFiles): Engine => ({
  name,
  read: (vector, offset, done) => files.preadv(fd, vector, offset, done),
  write: (vector, offset, done) => files.pwritev(fd, vector, offset, done),
  submit: () => files.submit(),
})

const engines: readonly Engine[] = [
  {
    name: 'on the spot',
    read: (vector, offset, done) => done(preadv2(fd, vector, offset, RWF_NOWAIT)),
    write: (vector, offset, done) => done(pwritev(fd, vector, offset)),
    submit: () => {},
  },
  asynchronous('io_uring', ring),
  asynchronous('thread pool', createPoolFiles()),
]

/** As a guest would: what has ended is followed by the next request in a later turn. @returns microseconds a request */
const time = (engine: Engine, { what, bytes, depth, requests }: Load): Promise<number> => {
  const vectors = Array.from({ length: depth }, (_, index) => {
    const vector = new IoVector()
    vector.pack([ram.memory.bytes(MIB * (1 + index), bytes)])
    return vector
  })
  const begun = process.hrtime.bigint()
  return new Promise((resolve, reject) => {
    let free = vectors
    let issued = 0
    let left = requests
    const turn = () => {
      const batch = free.splice(0, requests - issued)
      for (const vector of batch) {
        const offset = (issued++ * bytes * 7) % (FILE_BYTES - bytes)
        engine[what](vector, offset - (offset % 4096), (result) => {
          if (result !== bytes) reject(new Error(`${engine.name}: ${what} gave ${result}`))
          else if (--left === 0) resolve(Number(process.hrtime.bigint() - begun) / 1000 / requests)
          if (free.push(vector) === 1) setImmediate(turn)
        })
      }
      engine.submit()
    }
    free = [...vectors]
    turn()
  })
}

for (const load of loads) {
  const size = load.bytes === MIB ? '1 MiB' : '4 KiB'
  printReport({
    title: `${load.what}s of ${size}, ${load.depth} at a time, page cache warm`,
    unit: 'us',
    peer: 'on the spot',
    candidates: await takeTurns(
      engines.map((engine) => ({ name: engine.name, measure: () => time(engine, load) })),
      { runs: rounds(10), warmups: 1 },
    ),
  })
}
ring.close()
await reactor.close()
ram.close()
closeSync(fd)
rmSync(directory, { recursive: true })
