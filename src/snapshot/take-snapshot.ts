/**
 * Takes a snapshot of a machine that goes on. It stands still only while its state is read and its memory is set aside
 * copy-on-write; the files are written afterwards, beside its work, and become a snapshot all at once.
 */
import { basename, dirname, join, resolve } from 'node:path'
import { BugError, HostError, pathFault, UsageError } from '../errors.ts'
import type { Machine } from '../machine/machine.ts'
import type { FrozenRam, Ram } from '../memory/ram.ts'
import type { Json } from '../virtio/saved-state.ts'
import { extraFile, isFileName, isSnapshotName, LIMITS, type MachineShape, type SnapshotManifest } from './manifest.ts'
import type { OpenSnapshot } from './open-snapshot.ts'
import { openManifest } from './read-manifest.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import { openWorkshop } from './workshop.ts'
import { writeFiles } from './write-snapshot.ts'

export interface SnapshotSource {
  readonly machine: Pick<Machine, 'pause' | 'resume' | 'save' | 'isPaused'>
  readonly ram: Ram
  /** Asked whenever it would be resumed: true while its user has it paused. */
  readonly keepPaused?: () => boolean
}

/** A further file of that moment. */
export interface SnapshotFile {
  readonly name: string
  /** What it is made of stays as it is: it is written beside the guest's work, and not while the guest stands still. */
  readonly unchanging?: boolean
  /** @param step called before each piece of a long work; throws when it is called off */
  write(path: string, step: () => void): void | Promise<void>
}

export interface SnapshotRequest {
  /** Comes to be by a rename; nothing is there. What is above it is made. */
  readonly directory: string
  readonly level: string
  /** What the level needs to go on. */
  readonly spec: Json
  readonly machine: MachineShape
  /** Of what the machine was made from, by name. */
  readonly digests?: Readonly<Record<string, string>>
  readonly files?: readonly SnapshotFile[]
  /** Only what changed against that one, which lies beside it. */
  readonly base?: OpenSnapshot
  /** The guest is running again, or stays as it was found. */
  readonly onContinued?: () => void
  readonly signal?: AbortSignal
}

export interface TakenSnapshot {
  readonly manifest: SnapshotManifest
  /** How long the guest stood still. */
  readonly pausedMs: number
  /** Of memory, in the file. */
  readonly bytes: number
}

/** Whose snapshots are being taken. */
const atWork = new WeakSet<Ram>()

/** A machine that runs, or stands still: it is left as it was found. @throws UsageError, HostError; nothing is left then */
export async function takeSnapshot(source: SnapshotSource, request: SnapshotRequest): Promise<TakenSnapshot> {
  const target = resolve(request.directory)
  checkRequest(request, target)
  if (atWork.has(source.ram)) {
    throw new HostError(`Cannot take the snapshot ${basename(target)}: another one of this guest is being taken.`, {
      hint: 'Wait until that one is there.',
    })
  }
  const workshop = openWorkshop(target)
  const pauses = pausesOf(source)
  let frozen: FrozenRam | undefined
  atWork.add(source.ram)
  try {
    // What saves a machine is loaded before it stands still.
    await import('../machine/machine-state.ts')
    await pauses.begin()
    const state = await source.machine.save()
    frozen = source.ram.freeze()
    const step = () => {
      if (request.signal?.aborted)
        throw new HostError(`Cannot take the snapshot ${basename(target)}: it was called off.`)
    }
    const writeAll = async (unchanging: boolean) => {
      for (const file of (request.files ?? []).filter((one) => (one.unchanging ?? false) === unchanging))
        await file.write(join(workshop.directory, extraFile(file.name)), step)
    }
    await writeAll(false)
    const pausedMs = pauses.end()
    request.onContinued?.()
    await writeAll(true)
    const { manifest, bytes } = await writeFiles(workshop.directory, { request, state, frozen, step, target })
    if (request.base) checkStillThere(request.base, target)
    await workshop.finish()
    return { manifest, pausedMs, bytes }
  } catch (cause) {
    workshop.abandon()
    throw failure(cause, target, request.machine.memoryBytes)
  } finally {
    if (pauses.held) pauses.end()
    if (frozen) await thaw(frozen, source, pauses)
    atWork.delete(source.ram)
  }
}

/** The times that the guest stands still for us. */
function pausesOf({ machine, keepPaused = () => false }: SnapshotSource) {
  let since: number | undefined
  let found = false
  return {
    get held() {
      return since !== undefined
    },
    async begin() {
      found = machine.isPaused()
      since = performance.now()
      if (!found) await machine.pause()
      if (machine.isPaused()) return
      since = undefined
      throw new HostError('Cannot take a snapshot: the guest has ended.')
    },
    /** @returns milliseconds */
    end(): number {
      const milliseconds = performance.now() - since!
      since = undefined
      if (!found && !keepPaused()) machine.resume()
      return milliseconds
    },
  }
}

async function thaw(
  frozen: FrozenRam,
  { machine }: SnapshotSource,
  pauses: ReturnType<typeof pausesOf>,
): Promise<void> {
  // A guest that has ended stands still as well.
  if (frozen.thawsPaused) await pauses.begin().catch(() => {})
  try {
    frozen.thaw()
  } finally {
    if (pauses.held && machine.isPaused()) pauses.end()
  }
}

function checkRequest({ base, files = [], machine }: SnapshotRequest, target: string): void {
  if (!isSnapshotName(basename(target))) {
    throw new UsageError(
      `Cannot take the snapshot ${JSON.stringify(basename(target).slice(0, 80))}: this is no name for one.`,
      {
        hint: 'Use letters, digits, "_", "." and "-", starting with a letter or digit.',
      },
    )
  }
  if (base && dirname(base.directory) !== dirname(target)) {
    throw new UsageError(
      `Cannot take ${basename(target)} as a diff to ${base.directory}: they have to lie side by side.`,
    )
  }
  if (base && base.manifest.machine.memoryBytes !== machine.memoryBytes) {
    throw new UsageError(
      `Cannot take ${basename(target)} as a diff to ${basename(base.directory)}: their memories differ in size.`,
    )
  }
  if (base && base.depth >= LIMITS.depth) {
    throw new UsageError(
      `Cannot take ${basename(target)} as a diff to ${basename(base.directory)}: that is one of ${LIMITS.depth} on top of each other already.`,
      { hint: 'Take it in full, without a base.' },
    )
  }
  for (const { name } of files) if (!isFileName(name)) throw new BugError(`Cannot keep a file ${name} in a snapshot.`)
}

/** Who removes it sees no diff before that one is finished. */
function checkStillThere({ directory, digest }: OpenSnapshot, target: string): void {
  try {
    if (openManifest(new SnapshotFiles(directory, `the snapshot ${basename(directory)}`)).digest === digest) return
  } catch (error) {
    if (!(error instanceof HostError)) throw error
  }
  throw new HostError(
    `Cannot take the snapshot ${basename(target)}: its base ${basename(directory)} was removed meanwhile.`,
    { hint: 'Take it in full, without a base.' },
  )
}

function failure(cause: unknown, target: string, memoryBytes: number): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (typeof code !== 'string' || cause instanceof HostError) return cause
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new HostError(
    `Cannot take the snapshot ${basename(target)}: ${full ? `${dirname(target)}: the disk is full` : pathFault(cause)}.`,
    {
      hint: full
        ? `It takes as much as the guest has written of its memory, ${Math.ceil(memoryBytes / 2 ** 20)} MiB at most.`
        : 'Nothing of it was kept; the instance goes on.',
      cause,
    },
  )
}
