/**
 * The root file tree of an instance as cpio entries: a host directory as it stands, or one program at its path.
 * The directory is somebody else's: links are kept as links and never followed. Names and link targets are bytes from
 * end to end. Sockets are left out: nobody inside could listen on them.
 */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { UsageError } from '../errors.ts'
import type { FileSource } from '../instance/run-spec.ts'
import { type CpioEntry, contentSize, readableName, unreadable } from './cpio.ts'
import { PROGRAM_DIRECTORIES, PROGRAM_FILES } from './program-tree.ts'

const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
/** A tree this large takes minutes to lay out and gigabytes to describe; it is a mistake such as `--rootfs /`. */
const ENTRIES_MAX = 200_000
/** As `find . | cpio` names things: no file of the tree can pass for the archive's trailer. */
const ROOT = Buffer.from('.')

/**
 * @param log is told in one line what had to be left out
 * @throws UsageError when something cannot be read, or the tree is too large.
 */
export function rootTree(source: FileSource, log: (line: string) => void = () => {}): CpioEntry[] {
  if (source.kind === 'program') return programTree(source.path, source.hostPath)
  return directoryTree(Buffer.from(source.directory), log)
}

/** Path inside and bytes of what takes the most room, for a message. */
export function largestFile(entries: readonly CpioEntry[]): { readonly name: string; readonly size: number } {
  const largest = entries.reduce((most, entry) => (contentSize(entry) > contentSize(most) ? entry : most))
  return { name: readableName(largest.path).slice(1), size: contentSize(largest) }
}

function programTree(path: string, hostPath: string): CpioEntry[] {
  const { size, mtimeMs } = statSync(hostPath)
  const mtime = seconds(mtimeMs)
  const parts = path.split('/').filter((part) => part !== '')
  const program = parts.join('/')
  /** Whether something else of this name leaves the program its place. */
  const fits = (name: string) => name !== program && !name.startsWith(`${program}/`)
  const entries = new Map<string, CpioEntry>([['.', { path: ROOT, mode: S_IFDIR | 0o755, mtime }]])
  const add = (name: string, entry: Omit<CpioEntry, 'path' | 'mtime'>) =>
    entries.set(name, { path: join(ROOT, Buffer.from(name)), mtime, ...entry })
  for (const { path: name, mode } of PROGRAM_DIRECTORIES) if (fits(name)) add(name, { mode: S_IFDIR | mode })
  for (const { path: name, text } of PROGRAM_FILES)
    if (fits(name) && !program.startsWith(`${name}/`))
      add(name, { mode: S_IFREG | 0o644, content: { bytes: Buffer.from(text) } })
  for (let depth = 1; depth < parts.length; depth++) {
    const name = parts.slice(0, depth).join('/')
    if (!entries.has(name)) add(name, { mode: S_IFDIR | 0o755 })
  }
  add(program, { mode: S_IFREG | 0o755, content: { file: Buffer.from(realpathSync.native(hostPath)), size } })
  return [...entries.values()]
}

function directoryTree(directory: Buffer, log: (line: string) => void): CpioEntry[] {
  const entries: CpioEntry[] = []
  const firstNames = new Map<string, CpioEntry>()
  let leftOut = 0

  const visit = (path: Buffer, hostPath: Buffer): void => {
    if (entries.length > ENTRIES_MAX) throw tooLarge(directory)
    const status = statusOf(hostPath)
    const type = Number(status.mode) & S_IFMT
    if (status.isSocket()) {
      leftOut++
      return
    }
    const facts = describe(path, hostPath, status)
    const key = type !== S_IFDIR && status.nlink > 1n ? `${status.dev}:${status.ino}` : undefined
    const linkTo = key === undefined ? undefined : firstNames.get(key)
    // A link's target is part of every name of it: Linux takes no link without one.
    const content = linkTo && type === S_IFREG ? undefined : facts.content
    const entry = { ...facts, content, linkTo }
    if (key !== undefined && !linkTo) firstNames.set(key, entry)
    entries.push(entry)
    if (type === S_IFDIR) pending.push({ path, hostPath })
  }

  const pending: { path: Buffer; hostPath: Buffer }[] = []
  visit(ROOT, directory)
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    for (const name of namesIn(parent.hostPath).sort(Buffer.compare)) {
      visit(join(parent.path, name), join(parent.hostPath, name))
    }
  }
  if (leftOut > 0)
    log(`${leftOut} ${leftOut === 1 ? 'socket' : 'sockets'} of ${readableName(directory)} left out of the file tree`)
  return entries
}

function describe(path: Buffer, hostPath: Buffer, status: BigIntStats): Omit<CpioEntry, 'linkTo'> {
  const facts = {
    path,
    mode: Number(status.mode),
    uid: Number(status.uid),
    gid: Number(status.gid),
    mtime: seconds(Number(status.mtimeMs)),
  }
  if (status.isSymbolicLink()) return { ...facts, content: { bytes: targetOf(hostPath) } }
  if (status.isFile() && status.size > 0n) return { ...facts, content: { file: hostPath, size: Number(status.size) } }
  if (status.isCharacterDevice() || status.isBlockDevice()) return { ...facts, rdev: deviceNumber(status.rdev) }
  return facts
}

const SLASH = Buffer.from('/')
const join = (parent: Buffer, name: Buffer): Buffer => Buffer.concat([parent, SLASH, name])

/** dev_t as Linux and glibc have it, makedev(3). Bigint: inode numbers need all their 64 bits to be told apart. */
const deviceNumber = (rdev: bigint) => ({
  major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
  minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
})

const statusOf = (path: Buffer): BigIntStats => reading(path, () => lstatSync(path, { bigint: true }))
const namesIn = (path: Buffer): Buffer[] => reading(path, () => readdirSync(path, { encoding: 'buffer' }))
const targetOf = (path: Buffer): Buffer => reading(path, () => readlinkSync(path, { encoding: 'buffer' }))

function reading<T>(path: Buffer, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw unreadable(path, error)
  }
}

const tooLarge = (directory: Buffer) =>
  new UsageError(`Cannot use ${readableName(directory)} as a root: it holds more than ${ENTRIES_MAX} files.`, {
    hint: 'Name a directory with just the files that the program needs.',
  })

/** cpio holds 32 bits. */
const seconds = (milliseconds: number) => Math.min(Math.max(Math.floor(milliseconds / 1000), 0), 0xffff_ffff)
