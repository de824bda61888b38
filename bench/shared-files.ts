/**
 * What our server takes for one message about a shared directory, no KVM: names are looked up on the spot, so it is a piece
 * of the main loop's time. Beside one call made on a thread of libuv's pool, which looking up elsewhere would cost at least.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fsyncAsync } from '../kvm-bindings/file-tree.ts'
import { createPoolFiles } from '../src/backends/disk/pool-files.ts'
import { createLocalFiles } from '../src/backends/files/local-files.ts'
import { MSIZE_MAX, T, VERSION } from '../src/backends/files/protocol.ts'
import { Share } from '../src/backends/files/share.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const CALLS = 200
const ENTRIES = 1000
const LARGE = 128 * 1024
const [ROOT, FILE, OTHER, DIRECTORY] = [0, 1, 2, 3]

const directory = mkdtempSync(join(tmpdir(), 'cloister-shared-files-'))
mkdirSync(join(directory, 'many'))
for (let index = 0; index < ENTRIES; index++) writeFileSync(join(directory, 'many', `entry-${index}`), '')
writeFileSync(join(directory, 'file'), Buffer.alloc(LARGE, 1))
const nothing = openSync('/dev/null', 'r')
const server = createLocalFiles({
  share: new Share({ path: directory, readOnly: false }),
  files: createPoolFiles(),
  maxFids: 100,
})
const room = new Uint8Array(MSIZE_MAX)

type Piece = number | bigint | string
const u16 = (value: number): number[] => [value & 0xff, value >> 8]
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)]

/** Numbers are 32 bits wide, bigints 64; text has its length in front. */
function message(type: number, ...pieces: Piece[]): Uint8Array {
  const body = pieces.flatMap((piece) => {
    if (typeof piece === 'string') return [...u16(piece.length), ...Buffer.from(piece)]
    return typeof piece === 'number' ? u32(piece) : [...u32(Number(piece & 0xffffffffn)), ...u32(Number(piece >> 32n))]
  })
  return Uint8Array.from([...u32(7 + body.length), type, ...u16(1), ...body])
}

function ask(request: Uint8Array): void {
  let type = 0
  server.serve(
    {
      type: request[4]!,
      tag: 1,
      size: request.length,
      head: request,
      message: [request],
      room: [room],
      roomBytes: room.length,
    },
    (head) => {
      type = head[4]!
    },
  )
  if (type !== request[4]! + 1) throw new Error(`message ${request[4]} was answered by ${type}`)
}

/** One name: a count of 16 bits in front. */
const walkTo = (from: number, to: number, name: string): Uint8Array => {
  const bytes = [...u32(from), ...u32(to), ...u16(1), ...u16(name.length), ...Buffer.from(name)]
  return Uint8Array.from([...u32(7 + bytes.length), T.walk, ...u16(1), ...bytes])
}

ask(message(T.version, MSIZE_MAX, VERSION))
ask(message(T.attach, ROOT, 0xffffffff, '', '', 0))
ask(walkTo(ROOT, FILE, 'file'))
ask(message(T.lopen, FILE, 2))
ask(walkTo(ROOT, DIRECTORY, 'many'))
ask(message(T.lopen, DIRECTORY, 0))

const messages: readonly (readonly [name: string, ...requests: Uint8Array[]])[] = [
  ['walk to a file, and clunk', walkTo(ROOT, OTHER, 'file'), message(T.clunk, OTHER)],
  ['getattr', message(T.getattr, FILE, 0x3fffn)],
  ['readdir, 1000 entries', message(T.readdir, DIRECTORY, 0n, LARGE)],
  ['read of 4 KiB', message(T.read, FILE, 0n, 4096)],
  ['read of 128 KiB', message(T.read, FILE, 0n, LARGE)],
]

const HOP = 'a call on a thread of the pool'
const players = [
  ...messages.map(([name, ...requests]) => ({
    name,
    measure: () => {
      const begun = process.hrtime.bigint()
      for (let call = 0; call < CALLS; call++) for (const request of requests) ask(request)
      return Number(process.hrtime.bigint() - begun) / CALLS / 1000
    },
  })),
  {
    name: HOP,
    measure: async () => {
      const begun = process.hrtime.bigint()
      for (let call = 0; call < CALLS; call++) await new Promise((resolve) => fsyncAsync(nothing, resolve))
      return Number(process.hrtime.bigint() - begun) / CALLS / 1000
    },
  },
]

try {
  printReport({
    title: `messages about a shared directory, ${CALLS} a round`,
    unit: 'us',
    peer: HOP,
    candidates: await takeTurns(players, { runs: rounds(20), warmups: 3 }),
  })
} finally {
  server.close()
  closeSync(nothing)
  rmSync(directory, { recursive: true })
}
