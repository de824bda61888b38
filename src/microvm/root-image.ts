/**
 * The files of an instance as an erofs image, which a Linux guest mounts read-only under its writable layer. It is made
 * once for a tree, by mkfs.erofs of erofs-utils; whoever runs the same tree again finds it.
 */
import { spawn } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statfsSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { CloisterError, HostError, pathFault, UsageError } from '../errors.ts'
import { type CpioEntry, readableName } from '../image/cpio.ts'
import { rootTree } from '../image/root-tree.ts'
import type { FileSource } from '../instance/run-spec.ts'
import { stateRoots } from '../instance/state-root.ts'
import { type FileCache, openFileCache, unfinishedName } from './image-cache.ts'
import { findMaker, MAKER } from './image-maker.ts'
import { fingerprint, type TreeFingerprint } from './tree-fingerprint.ts'

const MIB = 2 ** 20
/** What images may take of the disk when they are not in use. */
const CACHE_BYTES = 4 * 1024 * MIB
/** Part of the fingerprint: images of another form are of no use. */
const FORM = 'erofs/1'
/** Clocks of file systems stand still between two ticks: what was changed so lately may change again unnoticed. */
const CLOCK_NS = 20_000_000n
const TRIES = 3
/** Who waits longer is told what for. */
const PATIENCE_MS = 1000
const STDERR_MAX = 4096
const STAGING = 'stage'
/** What a file takes beside its content. */
const INODE_BYTES = 128

export interface RootImageOptions {
  /** Where images are kept; with the rest of the state unless said. */
  readonly directory?: string
  /** Told what takes a while, once. */
  readonly progress?: (line: string) => void
  /** The program that makes them. */
  readonly mkfs?: string
  /** Nobody wants it any more. */
  readonly signal?: AbortSignal
}

const imagesDirectory = () => join(stateRoots().data, 'images', 'erofs')

/** @returns the path of the image @throws UsageError for a tree that cannot be used, HostError where the host lacks something */
export async function rootImage(source: FileSource, options: RootImageOptions = {}): Promise<string> {
  const { directory = imagesDirectory(), mkfs = MAKER } = options
  const own = process.geteuid?.() === 0 ? [] : ['--all-root']
  // A guest that goes on from a snapshot knows where in the image its files lie: another maker's is another image.
  const form = [FORM, ...own, findMaker(mkfs)?.stamp].join(' ')
  let tree = await settledFingerprint(source, form)
  const cache = openFileCache(directory, CACHE_BYTES)
  const found = cache.find(imageName(tree))
  if (found !== undefined) return found
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const before = tree
    const path = await make({ source, tree, cache, own, ...options }, () => {
      tree = fingerprint(source, form)
      return tree.digest === before.digest
    })
    if (path !== undefined) return path
  }
  throw new UsageError(`Cannot make a root image of ${nameOf(source)}: it changes all the time.`, {
    hint: 'Run it from a copy that nobody writes.',
  })
}

const imageName = ({ digest }: TreeFingerprint) => `${digest}.erofs`
const nameOf = (source: FileSource) => (source.kind === 'program' ? source.hostPath : source.directory)

async function settledFingerprint(source: FileSource, form: string): Promise<TreeFingerprint> {
  const tree = fingerprint(source, form)
  const now = BigInt(Date.now()) * 1_000_000n
  if (tree.changedNs < now - CLOCK_NS || tree.changedNs > now + CLOCK_NS) return tree
  await new Promise((resolve) => setTimeout(resolve, Number((2n * CLOCK_NS) / 1_000_000n)))
  return fingerprint(source, form)
}

interface Making extends RootImageOptions {
  readonly source: FileSource
  readonly tree: TreeFingerprint
  readonly cache: FileCache
  /** Whose the files are inside. */
  readonly own: readonly string[]
}

/** @param unchanged asked after the tree was read @returns undefined when it was not */
async function make(making: Making, unchanged: () => boolean): Promise<string | undefined> {
  const { source, tree, cache, own, progress, mkfs = MAKER, signal } = making
  const timer = setTimeout(() => progress?.(describe(source, tree)), PATIENCE_MS).unref()
  try {
    checkRoom(cache.directory, source, tree)
    return await cache.add(imageName(tree), async (path) => {
      const staging = source.kind === 'program' ? stage(source, cache.directory) : undefined
      try {
        const from = staging ?? (source as { directory: string }).directory
        await runMkfs(mkfs, [...ARGUMENTS, ...own, path, from], { source, signal })
      } catch (error) {
        // A tree that changes under its reader is the likelier reason.
        if (!(error instanceof HostError) || unchanged()) throw error
        throw CHANGED
      } finally {
        if (staging !== undefined) rmSync(dirname(staging), { recursive: true, force: true })
      }
      if (!unchanged()) throw CHANGED
    })
  } catch (error) {
    if (error === CHANGED) return undefined
    if (error instanceof CloisterError) throw error
    throw new HostError(`Cannot make a root image of ${nameOf(source)}: ${pathFault(error)}.`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

const CHANGED = Symbol('the tree changed while it was read')

/** Not packed: the guest reads pages as they lie. The same tree gives the same bytes. */
const ARGUMENTS = ['--quiet', '-U00000000-0000-0000-0000-000000000000'] as const
/** That of the whole image is fixed by it, later than any file's: those keep their own. */
const EPOCH = String(2 ** 32 - 1)

const describe = (source: FileSource, { entries, bytes }: TreeFingerprint) =>
  `making a root image of ${nameOf(source)} (${entries} files, ${Math.ceil(bytes / MIB)} MiB); it is kept for the next time`

/** A directory with the program at its path and what lies around it at every level. @returns it, alone in another one */
function stage(source: Extract<FileSource, { kind: 'program' }>, beside: string): string {
  const around = unfinishedName(join(beside, STAGING))
  const directory = join(around, 'root')
  mkdirSync(around, { mode: 0o700 })
  try {
    mkdirSync(directory)
    const entries = rootTree(source)
    for (const entry of entries) put(join(directory, readableName(entry.path)), entry)
    // Once all is in them: what comes into a directory changes its time.
    for (const { path, mtime = 0 } of entries.toReversed())
      utimesSync(join(directory, readableName(path)), mtime, mtime)
    return directory
  } catch (error) {
    rmSync(around, { recursive: true, force: true })
    throw error
  }
}

function put(path: string, { mode, content }: CpioEntry): void {
  if (content === undefined) mkdirSync(path, { recursive: true })
  else if ('bytes' in content) writeFileSync(path, content.bytes)
  else copyFileSync(content.file, path, constants.COPYFILE_FICLONE)
  // Past the umask of whoever runs us.
  chmodSync(path, mode & 0o7777)
}

/** What does not fit is better known before. */
function checkRoom(directory: string, source: FileSource, { bytes, entries }: TreeFingerprint): void {
  const { bavail, bsize } = statfsSync(directory)
  const needed = bytes + entries * INODE_BYTES
  if (needed <= bavail * bsize) return
  throw new HostError(
    `Cannot make a root image of ${nameOf(source)}: it takes ${Math.ceil(needed / MIB)} MiB, and ${directory} has room for ${Math.floor((bavail * bsize) / MIB)} MiB.`,
    { hint: 'Make room there, or keep state elsewhere with CLOISTER_ROOT.' },
  )
}

/** @throws HostError with what it said */
function runMkfs(
  mkfs: string,
  args: readonly string[],
  { source, signal }: { readonly source: FileSource; readonly signal: AbortSignal | undefined },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string, hint?: string, cause?: unknown) =>
      reject(
        new HostError(`Cannot make a root image of ${nameOf(source)}: ${reason}.`, { ...(hint && { hint }), cause }),
      )
    const env = { PATH: process.env.PATH, SOURCE_DATE_EPOCH: EPOCH }
    const child = spawn(mkfs, args, { stdio: ['ignore', 'ignore', 'pipe'], env, signal, killSignal: 'SIGKILL' })
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < STDERR_MAX) said += text
    })
    child.once('error', (cause: NodeJS.ErrnoException) => {
      // Not before it is gone: it writes.
      if (cause.name === 'AbortError') return
      if (cause.code !== 'ENOENT') refuse(`${mkfs}: ${pathFault(cause)}`, undefined, cause)
      else
        refuse(`this host has no ${mkfs}`, 'Install it as root: apt install erofs-utils. Or use --isolation container.')
    })
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else refuse(`mkfs.erofs ended with ${signal ?? code}${reasonIn(said)}`, unreadableHint(source))
    })
  })
}

/** Its last error, as plain text; names of files in it are anybody's. */
function reasonIn(said: string): string {
  const lines = said.split('\n').filter((line) => line.startsWith('<E>'))
  const last = readableName(Buffer.from(lines.at(-1) ?? '')).replace(/^<E> (erofs: )?/, '')
  return last === '' ? '' : `: ${last}`
}

/** Names the file that this user cannot read, which is mostly why. */
function unreadableHint(source: FileSource): string | undefined {
  const file = source.kind === 'program' ? undefined : firstUnreadable(source.directory)
  return file === undefined ? undefined : `It cannot be read: ${file}. A guest gets the whole directory.`
}

function firstUnreadable(directory: string): string | undefined {
  const isUnreadable = (path: string) => {
    try {
      accessSync(path, constants.R_OK)
      return false
    } catch {
      return true
    }
  }
  try {
    const entries = readdirSync(directory, { withFileTypes: true, recursive: true })
    const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
    const found = paths.find(isUnreadable)
    return found === undefined ? undefined : readableName(Buffer.from(found))
  } catch {
    // It has changed meanwhile.
    return undefined
  }
}
