/**
 * Opens a snapshot to go on from. Its small files are read and compared with their digests each time; its large ones are
 * read only when this host has not yet found them as they were written (check-record.ts).
 */
import { basename, dirname, join, resolve } from 'node:path'
import { HostError } from '../errors.ts'
import type { MachineConfig } from '../machine/machine.ts'
import { savedPolicy } from '../machine/machine-state.ts'
import { type MemoryImage, overlay } from '../memory/memory-image.ts'
import type { Json, JsonObject } from '../virtio/saved-state.ts'
import { checkSnapshot } from './check-snapshot.ts'
import { keptImage } from './kept-image.ts'
import { extraFile, FILES, LIMITS, type SnapshotManifest } from './manifest.ts'
import { openManifest } from './read-manifest.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import { openMemory } from './snapshot-memory.ts'

export interface OpenOptions {
  /** One of another level is refused. */
  readonly level?: string
}

export interface OpenSnapshot {
  readonly directory: string
  readonly manifest: SnapshotManifest
  /** Of its manifest: what it is known by. */
  readonly digest: string
  /** The level's own; not looked at. */
  readonly spec: Json
  readonly state: JsonObject
  readonly memory: MemoryImage
  /** How many snapshots its memory is made of: itself, its base, and so on. */
  readonly depth: number
  /** One that the level keeps there. */
  file(name: string): { readonly path: string; readonly bytes: number; readonly sha256: string }
  /** Machines made from it keep what they need. */
  close(): void
}

/** @throws HostError when it is damaged, altered, of another version or of another kind of host. */
export const openSnapshot = (directory: string, options: OpenOptions = {}): Promise<OpenSnapshot> =>
  openLink(resolve(directory), options, LIMITS.depth)

/** All that a machine which goes on from it has in common with the one that was saved. */
export function machineFrom(
  { manifest, memory, state }: OpenSnapshot,
  options: { readonly elapsed?: boolean } = {},
): Pick<
  MachineConfig,
  'memoryBytes' | 'cpus' | 'acpi' | 'pit' | 'memory' | 'restore' | 'kernel' | 'commandLine' | 'modules'
> {
  const { memoryBytes, cpus, acpi, pit } = manifest.machine
  // What boots a machine is not looked at.
  const boot = { kernel: '', commandLine: '', modules: [] }
  return { memoryBytes, cpus, acpi, pit, memory, restore: { state, ...options }, ...boot }
}

/** A snapshot, or one that it is a diff to. */
async function openLink(directory: string, options: OpenOptions, depth: number): Promise<OpenSnapshot> {
  const files = new SnapshotFiles(directory, `the snapshot ${basename(directory)}`)
  const { manifest, digest } = openManifest(files)
  if (options.level !== undefined && manifest.level !== options.level) {
    throw new HostError(`Cannot use ${files.what}: it is one of a ${manifest.level}, not of a ${options.level}.`, {
      hint: `Restore it without another --isolation.`,
    })
  }
  const closers: (() => void)[] = []
  const close = () => {
    for (const undo of closers.splice(0)) undo()
  }
  try {
    const state = openState(files, manifest)
    const memory = openMemory(files, manifest, closers)
    const { base } = manifest
    const below = base && (await openBase(directory, base, depth, files))
    if (below) closers.push(() => below.close())
    if (below && below.manifest.machine.memoryBytes !== manifest.machine.memoryBytes) {
      throw files.refusal(`its base ${base!.name} has another size of memory`)
    }
    await checkSnapshot({ files, manifest, digest, memory, policy: savedPolicy(state) })
    const zeros = {
      size: manifest.machine.memoryBytes,
      pieces: [{ offset: 0, length: manifest.machine.memoryBytes, at: 0 }],
    }
    const { pieces } = overlay(below?.memory ?? zeros, memory.pieces)
    const image = keptImage({ id: digest, size: manifest.machine.memoryBytes, pieces }, close)
    return {
      directory,
      manifest,
      digest,
      spec: manifest.spec,
      state,
      memory: image.memory,
      depth: (below?.depth ?? 0) + 1,
      file(name) {
        const found = manifest.files.find((file) => file.name === name)
        if (!found) throw files.refusal(`it has no file ${name}`)
        return { path: join(directory, extraFile(name)), bytes: found.bytes, sha256: found.sha256 }
      },
      close: image.letGo,
    }
  } catch (error) {
    close()
    throw error
  }
}

function openState(files: SnapshotFiles, { state, machine }: SnapshotManifest): JsonObject {
  const json = files.parse(FILES.state, files.readExactly(FILES.state, state, LIMITS.stateBytes))
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw files.refusal('its state is no object')
  const saved = json as JsonObject
  if (savedPolicy(saved).cpus !== machine.cpus) throw files.refusal('its state is one of other processors')
  return saved
}

async function openBase(
  directory: string,
  { name, sha256: digest }: { readonly name: string; readonly sha256: string },
  depth: number,
  files: SnapshotFiles,
): Promise<OpenSnapshot> {
  if (depth <= 1) throw files.refusal(`it is a diff to a diff, more than ${LIMITS.depth} deep`)
  const below = await openLink(join(dirname(directory), name), {}, depth - 1).catch((cause: unknown) => {
    if (!(cause instanceof HostError)) throw cause
    throw new HostError(`Cannot use ${files.what}: it is a diff to ${name}. ${cause.message}`, {
      hint: cause.hint ?? '',
      cause,
    })
  })
  if (below.digest === digest) return below
  below.close()
  throw files.refusal(`it is a diff to ${name}, which is another one by now`)
}
