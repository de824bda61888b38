/**
 * Where a snapshot is made: a directory beside its final place, under a name that nobody takes for a snapshot, locked by its
 * maker for as long as that one lives. It becomes the snapshot by one rename, or goes.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { tryLock } from '../../kvm-bindings/ffi.ts'
import { HostError, pathFault, UsageError } from '../errors.ts'

/** Of directories that are being made, or being removed. */
const UNFINISHED = /^\.[a-zA-Z0-9_.-]+\.(new|gone)-[0-9a-f]{12}$/
const LOCK = '.lock'
const MODE = 0o700

export interface Workshop {
  /** Write here. */
  readonly directory: string
  /** It is a snapshot from now on. */
  finish(): void
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
    const directory = unfinishedName(target, 'new')
    mkdirSync(directory, { mode: MODE })
    const lock = openSync(join(directory, LOCK), 'wx', 0o600)
    tryLock(lock)
    return {
      directory,
      finish() {
        rmSync(join(directory, LOCK))
        syncDirectory(directory)
        renameSync(directory, target)
        closeSync(lock)
        syncDirectory(parent)
      },
      abandon() {
        rmSync(directory, { recursive: true, force: true })
        closeSync(lock)
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

/** Removes what makers and removers that died left in a directory of snapshots. @returns the names */
export function sweepSnapshots(parent: string): string[] {
  return namesIn(parent)
    .filter((name) => UNFINISHED.test(name) && !inWork(join(parent, name)))
    .map((name) => {
      rmSync(join(parent, name), { recursive: true, force: true })
      return name
    })
}

/** A name beside it that the next sweep knows. */
export const unfinishedName = (target: string, kind: 'new' | 'gone'): string =>
  join(dirname(target), `.${basename(target)}.${kind}-${randomBytes(6).toString('hex')}`)

export const syncDirectory = (directory: string): void => {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Whether its maker lives: the lock goes with it. */
function inWork(directory: string): boolean {
  let lock: number
  try {
    lock = openSync(join(directory, LOCK), 'r')
  } catch {
    return false
  }
  try {
    return !tryLock(lock)
  } finally {
    closeSync(lock)
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
