/** A client of a share through the whole device: queues in guarded guest memory, the server, a directory of the host. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type AsyncFiles, openAsyncFiles } from '../../src/backends/disk/async-files.ts'
import { createPoolFiles } from '../../src/backends/disk/pool-files.ts'
import type { FileServer } from '../../src/backends/files/file-server.ts'
import { createLocalFiles } from '../../src/backends/files/local-files.ts'
import type { Owners } from '../../src/backends/files/owners.ts'
import { Share } from '../../src/backends/files/share.ts'
import { Reactor } from '../../src/backends/reactor.ts'
import { type Virtio9p, virtio9p } from '../../src/devices/virtio-9p.ts'
import { createGuardedMemory, type GuardedMemory } from './guarded-memory.ts'
import { MmioDriver } from './mmio-driver.ts'
import { message, Reply } from './p9-message.ts'

export const MSIZE = 132 * 1024
const MEMORY = [{ gpa: 0, size: 1 << 20 }]
/** Each request in flight has a place for itself and one for its answer. */
const PLACES = 4
const REQUESTS_AT = 0x10000
const STRIDE = 0x24000
const ANSWER_AT = 0x12000

export interface ShareFixture {
  readonly directory: string
  readonly outside: string
  readonly client: Client
  readonly device: Virtio9p
  readonly driver: MmioDriver
  readonly server: FileServer
  readonly files: AsyncFiles
}

export interface FixtureOptions {
  readonly readOnly?: boolean
  readonly only?: string
  readonly owners?: Owners
  readonly maxFids?: number
  readonly engine?: 'best' | 'pool'
  /** Fills the directory before the share is opened. */
  readonly fill?: (directory: string) => void
  readonly change?: (files: AsyncFiles) => AsyncFiles
}

/** A directory to share, one beside it that the guest must never see, and a client that has attached. */
export async function shareFixture(t: ExecutionContext, options: FixtureOptions = {}): Promise<ShareFixture> {
  const base = mkdtempSync(join(tmpdir(), 'cloister-share-'))
  const [directory, outside] = [join(base, 'shared'), join(base, 'outside')]
  for (const one of [directory, outside]) mkdirSync(one)
  options.fill?.(directory)
  const reactor = new Reactor((error) => t.fail(error.message))
  const real = options.engine === 'pool' ? createPoolFiles() : openAsyncFiles(reactor)
  const files = options.change ? options.change(real) : real
  reactor.start()
  const server = openServer(directory, files, options, (line) => t.fail(line))
  const device = virtio9p({ tag: 'share', server })
  const driver = new MmioDriver(device, createGuardedMemory(MEMORY))
  driver.start({ features: device.features | (1n << 32n), size: 16 })
  t.teardown(async () => {
    await device.idle()
    server.close()
    await reactor.close()
    rmSync(base, { recursive: true })
  })
  const client = new Client(driver)
  await client.start()
  return { directory, outside, client, device, driver, server, files: real }
}

export const openServer = (
  directory: string,
  files: AsyncFiles,
  { readOnly = false, only, owners, maxFids = 256 }: FixtureOptions = {},
  log: (line: string) => void = () => {},
): FileServer => {
  const share = new Share({
    path: directory,
    readOnly,
    ...(only === undefined ? {} : { only }),
    ...(owners && { owners }),
  })
  return createLocalFiles({ share, files, maxFids, log })
}

/** A device on memory that another one had, with what that one saved. */
export function successor(server: FileServer, guarded: GuardedMemory, state: unknown): MmioDriver {
  const driver = new MmioDriver(virtio9p({ tag: 'share', server }), guarded)
  driver.transport.restore(JSON.parse(JSON.stringify(state)))
  return driver
}

export class Client {
  readonly driver: MmioDriver
  readonly #places: number[] = Array.from({ length: PLACES }, (_, place) => place)
  readonly #waiting = new Map<number, { place: number; resolve: (reply: Reply) => void }>()
  #tag = 0

  constructor(driver: MmioDriver) {
    this.driver = driver
  }

  async start(uid = 0): Promise<void> {
    await this.ok(100, message().u32(MSIZE).text('9P2000.L'), { tag: 0xffff })
    await this.ok(104, message().u32(0).u32(0xffffffff).text('').text('').u32(uid))
  }

  /** @throws what the server refuses with, as `errno N` */
  async ok(
    type: number,
    fields: ReturnType<typeof message>,
    options: { tag?: number; room?: number } = {},
  ): Promise<Reply> {
    const reply = await this.ask(type, fields, options)
    if (reply.errno !== undefined) throw new Error(`errno ${reply.errno}`)
    if (reply.type !== type + 1) throw new Error(`a reply of type ${reply.type} to ${type}`)
    return reply
  }

  async errno(type: number, fields: ReturnType<typeof message>): Promise<number | undefined> {
    return (await this.ask(type, fields)).errno
  }

  ask(
    type: number,
    fields: ReturnType<typeof message>,
    { tag = this.#tag++ & 0x7fff, room = MSIZE }: { tag?: number; room?: number } = {},
  ): Promise<Reply> {
    return this.send(fields.frame(type, tag), room)
  }

  /** Any bytes, as one request. Split unevenly, since no device may care. */
  async send(bytes: Uint8Array, room = MSIZE): Promise<Reply> {
    const place = this.#places.shift()
    if (place === undefined) throw new Error('too many requests at once')
    const { memory } = this.driver
    const at = REQUESTS_AT + place * STRIDE
    const answerAt = at + (bytes.length > 0x2000 ? 0 : ANSWER_AT - REQUESTS_AT)
    memory.bytes(at, bytes.length).set(bytes)
    const cut = Math.min(5, bytes.length - 1)
    const head = this.driver
      .queue(0)
      .post(
        { gpa: at, length: cut },
        { gpa: at + cut, length: bytes.length - cut },
        { gpa: answerAt, length: 3, write: true },
        { gpa: answerAt + 3, length: room - 3, write: true },
      )
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(head, { place, resolve }))
    this.driver.kick(0)
    this.#answers(place, answerAt)
    void this.#poll(head)
    return reply
  }

  readonly #answerAt = new Map<number, number>()

  #answers(place: number, at: number): void {
    this.#answerAt.set(place, at)
  }

  async #poll(head: number): Promise<void> {
    const until = Date.now() + 10_000
    while (this.#waiting.has(head)) {
      this.collect()
      if (!this.#waiting.has(head)) return
      if (Date.now() > until) throw new Error('no answer in ten seconds')
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Takes what has been answered. */
  collect(): void {
    this.driver.settle()
    for (const { id, length } of this.driver.queue(0).takeUsed()) {
      const { place, resolve } = this.#waiting.get(id)!
      this.#waiting.delete(id)
      const reply = new Reply(this.driver.memory.bytes(this.#answerAt.get(place)!, length).slice())
      this.#places.push(place)
      resolve(reply)
    }
  }

  // --- as v9fs asks ---

  async walk(fid: number, newFid: number, ...names: (string | Uint8Array)[]) {
    const fields = message().u32(fid).u32(newFid).u16(names.length)
    for (const name of names) fields.text(name)
    const reply = await this.ok(110, fields)
    return Array.from({ length: reply.u16() }, () => reply.qid())
  }

  /** Flags of open(2). */
  async open(fid: number, flags: number) {
    return (await this.ok(12, message().u32(fid).u32(flags))).qid()
  }

  async create(fid: number, name: string, { flags = 2, mode = 0o100644, gid = 0 } = {}) {
    return (await this.ok(14, message().u32(fid).text(name).u32(flags).u32(mode).u32(gid))).qid()
  }

  async read(fid: number, offset: number, count: number): Promise<Uint8Array> {
    const reply = await this.ok(116, message().u32(fid).u64(offset).u32(count), { room: Math.max(16, 11 + count) })
    return reply.bytes(reply.u32())
  }

  async write(fid: number, offset: number, bytes: Uint8Array | string): Promise<number> {
    const data = Buffer.from(bytes as string)
    return (await this.ok(118, message().u32(fid).u64(offset).u32(data.length).bytes(data), { room: 11 })).u32()
  }

  async clunk(fid: number): Promise<void> {
    await this.ok(120, message().u32(fid))
  }

  async getattr(fid: number) {
    const reply = await this.ok(24, message().u32(fid).u64(0x3fff))
    const valid = reply.u64()
    const qid = reply.qid()
    const [mode, uid, gid] = [reply.u32(), reply.u32(), reply.u32()]
    const [links, device, size, blockSize, blocks] = Array.from({ length: 5 }, reply.u64)
    const time = () => ({ s: reply.u64(), ns: reply.u64() })
    const [accessed, modified, changed] = [time(), time(), time()]
    const rest = [reply.u64(), reply.u64(), reply.u64(), reply.u64()]
    return { valid, qid, mode, uid, gid, links, device, size, blockSize, blocks, accessed, modified, changed, rest }
  }

  setattr(
    fid: number,
    valid: number,
    { mode = 0, uid = 0, gid = 0, size = 0n, accessed = [0n, 0n], modified = [0n, 0n] } = {},
  ): Promise<Reply> {
    const fields = message().u32(fid).u32(valid).u32(mode).u32(uid).u32(gid).u64(size)
    for (const time of [...accessed, ...modified]) fields.u64(time)
    return this.ok(26, fields)
  }

  /** All of a directory, a message after the other. */
  async list(fid: number, count = 4096) {
    const entries: { name: string; type: number; path: bigint; offset: bigint }[] = []
    for (let offset = 0n; ; ) {
      const reply = await this.ok(40, message().u32(fid).u64(offset).u32(count))
      if (reply.u32() === 0) return entries
      while (reply.left > 0) {
        const { path } = reply.qid()
        offset = reply.u64()
        entries.push({ path, offset, type: reply.u8(), name: reply.text() })
      }
    }
  }
}
