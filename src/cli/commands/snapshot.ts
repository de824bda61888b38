/** `cloister snapshot create|ls|inspect|rm|restore`. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { HostError } from '../../errors.ts'
import type { RunSpec } from '../../instance/run-spec.ts'
import { removeSnapshot } from '../../snapshot/list.ts'
import type { SnapshotManifest } from '../../snapshot/manifest.ts'
import { savedRun } from '../../snapshot/saved-run.ts'
import { age, oneLine, roundSize } from '../cells.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { goOnFrom } from '../go-on-from.ts'
import { forEachNamed, liveRecordNamed, openStore, sayFault } from '../instances.ts'
import {
  allocatedBytes,
  allSnapshots,
  basedOn,
  checkState,
  type NamedSnapshot,
  newSnapshot,
  snapshotNamed,
} from '../snapshots.ts'
import { renderTable } from '../table.ts'
import { askForSnapshot, patiently } from '../taking.ts'
import { print } from '../terminal.ts'

/** So many commands may want the next free name at the same time. */
const NAME_ATTEMPTS = 16

export async function create(context: CommandContext): Promise<number> {
  const [instance = '', given] = context.arguments.operands
  const store = await openStore(context)
  const record = liveRecordNamed(store, instance, 'take a snapshot of')
  const base = text(context.arguments, 'base')
  const basis = base === undefined ? {} : { base: snapshotNamed(base, 'build on').directory }
  for (let attempt = 1; ; attempt++) {
    const { name, directory } = newSnapshot(instance, given)
    try {
      await askForSnapshot(record, { directory, ...basis })
      print(name)
      return 0
    } catch (error) {
      // Another one may have taken the name that was free.
      if (given !== undefined || !existsSync(directory) || attempt === NAME_ATTEMPTS) throw error
    }
  }
}

export async function ls({ arguments: parsed }: CommandContext): Promise<number> {
  const all = allSnapshots()
  if (flag(parsed, 'quiet')) for (const { name } of all) print(name)
  else if (flag(parsed, 'json')) print(JSON.stringify(all.map(summary), undefined, 2))
  else {
    const head = ['NAME', 'LEVEL', 'MEMORY', 'ON DISK', 'BASE', 'CREATED', 'CHECKED', 'COMMAND']
    print(renderTable(head, all.map(asRow)))
  }
  return 0
}

function summary(snapshot: NamedSnapshot) {
  const { name, directory, manifest, problem } = snapshot
  const about = { name, directory, bytesOnDisk: allocatedBytes(directory) }
  if (!manifest) return { ...about, problem }
  const run = runOf(manifest)
  return {
    ...about,
    level: manifest.level,
    instance: run?.name,
    command: run?.argv,
    memoryBytes: manifest.machine.memoryBytes,
    base: manifest.base?.name,
    createdAt: manifest.createdAt,
    check: checkState(snapshot),
  }
}

/** A list shows what it can. */
function runOf({ spec }: SnapshotManifest): RunSpec | undefined {
  try {
    return savedRun(spec)
  } catch {
    return undefined
  }
}

function asRow(snapshot: NamedSnapshot): string[] {
  const { name, manifest, problem } = snapshot
  const size = roundSize(allocatedBytes(snapshot.directory))
  if (!manifest) return [name, '-', '-', size, '-', '-', 'damaged', oneLine(problem ?? '')]
  return [
    name,
    manifest.level,
    roundSize(manifest.machine.memoryBytes),
    size,
    manifest.base?.name ?? '-',
    age(manifest.createdAt),
    checkState(snapshot),
    oneLine(runOf(manifest)?.argv.join(' ') ?? '-'),
  ]
}

export async function inspect({ arguments: { operands } }: CommandContext): Promise<number> {
  let status = 0
  const found = operands.flatMap((name) => {
    try {
      const snapshot = snapshotNamed(name, 'inspect')
      const { manifest, digest } = snapshot
      return [{ ...summary(snapshot), digest, basesOf: basedOn(name, allSnapshots()), manifest }]
    } catch (error) {
      sayFault(error)
      status = 1
      return []
    }
  })
  print(JSON.stringify(found, undefined, 2))
  return status
}

export const rm = ({ arguments: { operands } }: CommandContext): Promise<number> =>
  forEachNamed(
    operands,
    async (name) => {
      removeSnapshot(snapshotNamed(name, 'remove').directory)
      return name
    },
    1,
  )

export async function restore(context: CommandContext): Promise<number> {
  const parsed = context.arguments
  const store = await openStore(context)
  const { directory, manifest, problem } = snapshotNamed(parsed.operands[0] ?? '', 'restore')
  if (!manifest) throw new HostError(problem ?? `Cannot use ${directory}: it is no snapshot.`)
  const run = savedRun(manifest.spec)
  const name = text(parsed, 'name') ?? (store.has(run.name) ? undefined : run.name)
  print(await patiently(`going on from ${basename(directory)}`, () => goOnFrom(directory, run, name, parsed)))
  return 0
}
