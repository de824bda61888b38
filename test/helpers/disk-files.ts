/** Disk images and asynchronous files for tests, removed and closed when the test ends. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type AsyncFiles, openAsyncFiles } from '../../src/backends/disk/async-files.ts'
import type { Disk } from '../../src/backends/disk/disk.ts'
import { createPoolFiles } from '../../src/backends/disk/pool-files.ts'
import { Reactor } from '../../src/backends/reactor.ts'

export interface DiskFiles {
  readonly directory: string
  readonly files: AsyncFiles
  /** Writes an image and gives its path. */
  image(name: string, content: Uint8Array): string
  /** Closes it with the test. */
  keep<T extends { close(): void }>(what: T): T
}

export function diskFiles(t: ExecutionContext, engine: 'best' | 'pool' = 'best'): DiskFiles {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-disk-'))
  const reactor = new Reactor((error) => t.fail(error.message))
  const files = engine === 'pool' ? createPoolFiles() : openAsyncFiles(reactor)
  reactor.start()
  const kept: { close(): void }[] = []
  t.teardown(async () => {
    for (const one of kept.reverse()) one.close()
    files.close()
    await reactor.close()
    rmSync(directory, { recursive: true })
  })
  return {
    directory,
    files,
    image(name, content) {
      const path = join(directory, name)
      writeFileSync(path, content)
      return path
    },
    keep(what) {
      kept.push(what)
      return what
    },
  }
}

/** The same, but for what is given. */
export const changed = (files: AsyncFiles, changes: Partial<AsyncFiles>): AsyncFiles => ({
  kind: files.kind,
  threads: files.threads,
  preadv: (fd, vector, offset, done) => files.preadv(fd, vector, offset, done),
  pwritev: (fd, vector, offset, done) => files.pwritev(fd, vector, offset, done),
  fdatasync: (fd, done) => files.fdatasync(fd, done),
  fsync: (fd, done) => files.fsync(fd, done),
  fallocate: (fd, mode, offset, length, done) => files.fallocate(fd, mode, offset, length, done),
  submit: () => files.submit(),
  drain: (fd) => files.drain(fd),
  close: () => {},
  ...changes,
})

/** One request, submitted. @returns its errno */
export const ask = (disk: Disk, begin: (done: (errno: number) => void) => void): Promise<number> =>
  new Promise((resolve) => {
    begin(resolve)
    disk.submit()
  })

export const readAll = async (disk: Disk, offset: number, length: number): Promise<Uint8Array> => {
  const into = new Uint8Array(length)
  const errno = await ask(disk, (done) => disk.read(offset, [into], 0, length, done))
  if (errno !== 0) throw new Error(`read gave errno ${errno}`)
  return into
}

export const write = (disk: Disk, offset: number, bytes: Uint8Array): Promise<number> =>
  ask(disk, (done) => disk.write(offset, [bytes], 0, bytes.length, done))

export const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) + seed) & 0xff)
