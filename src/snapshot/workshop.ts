/**
 * Where a snapshot is made: a directory beside its final place, under a name that nobody takes for a snapshot, locked by its
 * maker for as long as that one lives. It becomes the snapshot by one rename, or goes.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { O_DIRECTORY, O_NOFOLLOW } from '../../kvm-bindings/constants.ts'
import { tryLock } from '../../kvm-bindings/ffi.ts'
import { HostError, pathFault, UsageError } from '../errors.ts'
import { syncFiles } from './sync-file.ts'

/** Of directories that are being made, or being removed. */
const UNFINISHED = /^\.[a-zA-Z0-9_.-]+\.(new|gone)-[0-9a-f]{12}$/
const MODE = 0o700

export interface Workshop {
  /** Write here. */
  readonly directory: string
  /** It is a snapshot from then on. */
  finish(): Promise<void>
  /** Nothing of it is left. */
  abandon(): void
}

/** @throws UsageError when there is something of that name, HostError when the host has no room for it */
export function openWorkshop(target: string): Workshop {
  const parent = dirname(target)
  const what = `the snapshot ${basename(target)}`
  try {
    mkdirSync(parent, { recursive: true, mode: MODE })
    sweepSnapshots(parent)
    if (existsSync(target)) {
      throw new UsageError(`Cannot take ${what}: ${target} is there already.`, {
        hint: 'Give it another name, or remove that one.',
      })
    }
    const { directory, fd } = lockedDirectory(target)
    let place = directory
    return {
      directory,
      async finish() {
        await syncFiles([fd])
        renameSync(directory, target)
        place = target
        await syncDirectory(parent)
        closeSync(fd)
      },
      abandon() {
        rmSync(place, { recursive: true, force: true })
        closeSync(fd)
      },
    }
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new HostError(`Cannot take ${what}: ${parent}: ${pathFault(cause)}.`, {
      hint: 'Choose another place for it.',
      cause,
    })
  }
}

/** What makers and removers that died left in a directory of snapshots. @returns the names */
export const unfinishedSnapshots = (parent: string): string[] => unfinishedIn(parent, () => {})

/** Removes it. @returns the names */
export const sweepSnapshots = (parent: string): string[] => unfinishedIn(parent, remove)

const unfinishedIn = (parent: string, work: (directory: string) => void): string[] =>
  namesIn(parent).filter((name) => {
    try {
      return UNFINISHED.test(name) && ifUnlocked(join(parent, name), work)
    } catch {
      // Not ours to remove.
      return false
    }
  })

/** A snapshot that is one no longer, whoever has it open. What a crash leaves of it the next sweep removes. */
export function removeDirectory(target: string): void {
  const doomed = unfinishedName(target, 'gone')
  renameSync(target, doomed)
  ifUnlocked(doomed, remove)
}

/** Until it is locked, a sweep may take it for a dead maker's: then another one is made. */
function lockedDirectory(target: string): { directory: string; fd: number } {
  for (;;) {
    const directory = unfinishedName(target, 'new')
    mkdirSync(directory, { mode: MODE })
    const fd = openDirectory(directory)
    if (fd === undefined) continue
    const there = tryLock(fd) && statSync(directory, { throwIfNoEntry: false })
    if (there && there.ino === fstatSync(fd).ino) return { directory, fd }
    closeSync(fd)
  }
}

const remove = (directory: string) => rmSync(directory, { recursive: true, force: true })

/** @returns whether nobody is at work in it */
function ifUnlocked(directory: string, work: (directory: string) => void): boolean {
  const fd = openDirectory(directory)
  if (fd === undefined) return false
  try {
    if (!tryLock(fd)) return false
    work(directory)
    return true
  } finally {
    closeSync(fd)
  }
}

const unfinishedName = (target: string, kind: 'new' | 'gone'): string =>
  join(dirname(target), `.${basename(target)}.${kind}-${randomBytes(6).toString('hex')}`)

/** Undefined when there is none, or something else. */
function openDirectory(directory: string): number | undefined {
  try {
    return openSync(directory, O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined
    throw error
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const fd = openSync(directory, 'r')
  try {
    await syncFiles([fd])
  } finally {
    closeSync(fd)
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
