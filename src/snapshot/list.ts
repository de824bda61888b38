/** The snapshots in a directory, by their manifests alone, and how to be rid of one. */
import { readdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { HostError, pathFault, UsageError } from '../errors.ts'
import { isSnapshotName, type SnapshotManifest } from './manifest.ts'
import { openManifest } from './read-manifest.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import { removeDirectory } from './workshop.ts'

export interface ListedSnapshot {
  readonly name: string
  readonly manifest?: SnapshotManifest
  readonly digest?: string
  /** Why it cannot be used, as far as its manifest tells. */
  readonly problem?: string
}

/** By name. */
export function listSnapshots(parent: string): ListedSnapshot[] {
  return namesIn(parent)
    .filter(isSnapshotName)
    .sort()
    .map((name) => {
      try {
        return { name, ...openManifest(new SnapshotFiles(join(parent, name), `the snapshot ${name}`)) }
      } catch (error) {
        if (!(error instanceof HostError)) throw error
        return { name, problem: error.message }
      }
    })
}

/** Machines that go on from it keep what they need. @throws UsageError while others are diffs to it */
export function removeSnapshot(directory: string): void {
  const target = resolve(directory)
  const name = basename(target)
  const diffs = listSnapshots(dirname(target)).filter(({ manifest }) => manifest?.base?.name === name)
  if (diffs.length > 0) {
    throw new UsageError(
      `Cannot remove the snapshot ${name}: ${diffs.map((diff) => diff.name).join(', ')} hold only what changed since.`,
      {
        hint: 'Remove those first.',
      },
    )
  }
  try {
    removeDirectory(target)
  } catch (cause) {
    throw new UsageError(`Cannot remove the snapshot ${name}: ${pathFault(cause)}.`, { cause })
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
