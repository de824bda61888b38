/** The snapshots that a command line names, and what a look at their directories tells. */
import { closeSync, existsSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { UsageError } from '../errors.ts'
import { checkInstanceName, isInstanceName } from '../instance/name.ts'
import { isAlive, ownIdentity } from '../instance/process-identity.ts'
import { claimDirectory } from '../instance/state-root.ts'
import { looksTheSame, readCheck } from '../snapshot/check-record.ts'
import { listSnapshots } from '../snapshot/list.ts'
import type { SnapshotManifest } from '../snapshot/manifest.ts'
import { snapshotsRoot } from '../snapshot/place.ts'
import { SnapshotFiles } from '../snapshot/snapshot-files.ts'
import { sweepSnapshots, unfinishedSnapshots } from '../snapshot/workshop.ts'
import { suggest } from './suggest.ts'

export interface NamedSnapshot {
  readonly name: string
  readonly directory: string
  /** Not there when what lies there is no snapshot that can be read, which `problem` says. */
  readonly manifest?: SnapshotManifest
  readonly digest?: string
  readonly problem?: string
}

const BLOCK = 512
/** Those that one `clone` takes and removes again are in here, as `PID-START`. */
const THROW_AWAY = '.throw-away'

/** Where they are, after what crashes left there was removed. @throws HostError where that is not safely ours */
export function openSnapshots(): string {
  const root = snapshotsRoot()
  claimDirectory(root)
  sweepSnapshots(root)
  sweepThrowAway(join(root, THROW_AWAY))
  return root
}

function sweepThrowAway(directory: string): void {
  for (const path of abandonedThrowAway(directory)) rmSync(path, { recursive: true, force: true })
}

const abandonedThrowAway = (directory: string): string[] =>
  (existsSync(directory) ? readdirSync(directory) : [])
    .filter((entry) => {
      const [, pid, startTime = ''] = /^(\d+)-(\d+)$/.exec(entry) ?? []
      return pid !== undefined && !isAlive({ pid: Number(pid), startTime })
    })
    .map((entry) => join(directory, entry))

/** By the name of whose it is: that is where its clones say that they come from. */
export function throwAwayDirectory(instance: string): string {
  const { pid, startTime } = ownIdentity()
  return join(openSnapshots(), THROW_AWAY, `${pid}-${startTime}`, instance)
}

/** What makers that died left there, and nobody has removed yet. */
export function abandonedSnapshots(): string[] {
  const root = snapshotsRoot()
  return [...unfinishedSnapshots(root).map((name) => join(root, name)), ...abandonedThrowAway(join(root, THROW_AWAY))]
}

/** By name. */
export const allSnapshots = (): NamedSnapshot[] => {
  const root = openSnapshots()
  return listSnapshots(root)
    .filter(({ name }) => isInstanceName(name))
    .map((one) => ({ ...one, directory: join(root, one.name) }))
    .sort((a, b) => a.name.localeCompare(b.name))
}

/** @param action "remove", for the message @throws UsageError */
export function snapshotNamed(name: string, action: string): NamedSnapshot {
  checkInstanceName(name)
  const all = allSnapshots()
  const found = all.find((one) => one.name === name)
  if (found) return found
  const near = suggest(
    name,
    all.map((one) => one.name),
  )
  throw new UsageError(`Cannot ${action} snapshot "${name}": there is none of that name.`, {
    hint:
      near === undefined ? 'See "cloister snapshot ls".' : `Did you mean "${near}"? "cloister snapshot ls" lists them.`,
  })
}

/** A directory that is free. @throws UsageError */
export function newSnapshot(instance: string, given: string | undefined): { name: string; directory: string } {
  const root = openSnapshots()
  const taken = new Set(readdirSync(root))
  if (given !== undefined) {
    checkInstanceName(given)
    if (taken.has(given)) {
      throw new UsageError(`Cannot name the snapshot "${given}": the name is taken.`, {
        hint: `"cloister snapshot rm ${given}" frees it.`,
      })
    }
    return { name: given, directory: join(root, given) }
  }
  for (let number = 1; ; number++) {
    const name = `${instance.slice(0, 50)}-${number}`
    if (!taken.has(name)) return { name, directory: join(root, name) }
  }
}

/** Those that are worth nothing without it. */
export const basedOn = (name: string, all: readonly NamedSnapshot[]): string[] =>
  all.filter(({ manifest }) => manifest?.base?.name === name).map((one) => one.name)

/** What its files take on disk: holes cost nothing, and neither does what is just being removed. */
export function allocatedBytes(directory: string): number {
  const sizeOf = (path: string) => (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK
  const isDirectory = lstatSync(directory, { throwIfNoEntry: false })?.isDirectory()
  const files = isDirectory ? readdirSync(directory) : []
  return files.reduce((sum, file) => sum + sizeOf(join(directory, file)), 0)
}

/** Whether its files are those that were looked through in full, byte by byte; `not yet`: as they are now. */
export function checkState({ directory, digest }: NamedSnapshot): 'checked' | 'changed since' | 'not yet' {
  const files = new SnapshotFiles(directory, `the snapshot ${basename(directory)}`)
  const record = digest === undefined ? undefined : readCheck(files, digest)
  if (!record) return 'not yet'
  try {
    const pairs = Object.entries(record.stamps).map(([name, stamp]) => [stamp, stampOf(files, name)] as const)
    if (pairs.every(([before, now]) => now === before)) return 'checked'
    return pairs.every(([before, now]) => looksTheSame(before, now)) ? 'not yet' : 'changed since'
  } catch {
    return 'changed since'
  }
}

function stampOf(files: SnapshotFiles, name: string): string {
  const { fd, stamp } = files.open(name)
  closeSync(fd)
  return stamp
}
