/**
 * Whether a file tree is what it was: a digest of every name with all that stat(2) says of it. The kernel sets ctime
 * at each change of content or metadata, so files need not be read.
 */
import { createHash, type Hash } from 'node:crypto'
import { type BigIntStats, lstatSync, readdirSync, statSync } from 'node:fs'
import { UsageError } from '../errors.ts'
import { readableName, unreadable } from '../image/cpio.ts'
import { PROGRAM_DIRECTORIES, PROGRAM_FILES } from '../image/program-tree.ts'
import type { FileSource } from '../instance/run-spec.ts'

/** A tree this large takes minutes to lay out; it is a mistake such as `--rootfs /`. */
const ENTRIES_MAX = 1_000_000

export interface TreeFingerprint {
  readonly digest: string
  readonly entries: number
  /** Of all regular files; a file with several names counts once for each. */
  readonly bytes: number
  /** The latest change: nanoseconds since 1970. */
  readonly changedNs: bigint
}

/** @param form of what will be made of it: another one is another image */
export function fingerprint(source: FileSource, form: string): TreeFingerprint {
  const sum = createHash('sha256').update(`${form}\0`)
  const totals = { entries: 0, bytes: 0, changedNs: 0n }
  const add = (name: Uint8Array, status: BigIntStats) => {
    totals.entries++
    if (status.isFile()) totals.bytes += Number(status.size)
    if (status.ctimeNs > totals.changedNs) totals.changedNs = status.ctimeNs
    addEntry(sum, name, status)
  }
  if (source.kind === 'program') {
    sum.update(JSON.stringify([source.path, PROGRAM_DIRECTORIES, PROGRAM_FILES]))
    add(
      Buffer.from(source.hostPath),
      reading(Buffer.from(source.hostPath), (path) => statSync(path, { bigint: true })),
    )
  } else walk(Buffer.from(source.directory), add)
  return { digest: sum.digest('hex'), ...totals }
}

function addEntry(sum: Hash, name: Uint8Array, status: BigIntStats): void {
  const { dev, ino, mode, uid, gid, nlink, rdev, size, mtimeNs, ctimeNs } = status
  sum.update(name)
  sum.update(`\0${dev} ${ino} ${mode} ${uid} ${gid} ${nlink} ${rdev} ${size} ${mtimeNs} ${ctimeNs}\n`)
}

/** Links are looked at and never followed. */
function walk(directory: Buffer, add: (name: Uint8Array, status: BigIntStats) => void): void {
  const pending = [directory]
  let entries = 0
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const status = reading(path, (at) => lstatSync(at, { bigint: true }))
    if (++entries > ENTRIES_MAX) throw tooLarge(directory)
    add(path.subarray(directory.length), status)
    if (!status.isDirectory()) continue
    const names = reading(path, (at) => readdirSync(at, { encoding: 'buffer' })).sort(Buffer.compare)
    for (const name of names) pending.push(Buffer.concat([path, SLASH, name]))
  }
}

const SLASH = Buffer.from('/')

function reading<T>(path: Buffer, read: (path: Buffer) => T): T {
  try {
    return read(path)
  } catch (error) {
    throw unreadable(path, error)
  }
}

const tooLarge = (directory: Buffer) =>
  new UsageError(`Cannot use ${readableName(directory)} as a root: it holds more than ${ENTRIES_MAX} files.`, {
    hint: 'Name a directory with just the files that the program needs.',
  })
