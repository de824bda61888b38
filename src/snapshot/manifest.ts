/**
 * A snapshot is a directory. What it says of itself, snapshot.json, names no file outside of it.
 *
 *   DIRECTORY/snapshot.json     this, and the digests of all that follows
 *             snapshot.sha256   its own digest: the identity of the snapshot
 *             state.json        the machine, all but its memory
 *             memory            its memory, with holes; of a diff only the pages that changed, one after the other
 *             memory.sha256     a digest for every MiB of that file, zeros where the memory is zeros
 *             memory.extents    of a diff: which pages those are
 *             file.NAME         what the level keeps there, disks among them
 *             checked.json      what this host found out about it (check-record.ts)
 */
import type { Json } from '../virtio/saved-state.ts'

export const SNAPSHOT_SCHEMA = 'cloister-snapshot/2'
/** Of memory, and of every other large file: what one digest is for. */
export const CHUNK_BYTES = 1024 * 1024

export const FILES = {
  manifest: 'snapshot.json',
  manifestDigest: 'snapshot.sha256',
  state: 'state.json',
  memory: 'memory',
  memoryDigests: 'memory.sha256',
  memoryExtents: 'memory.extents',
  checked: 'checked.json',
} as const
export const extraFile = (name: string): string => `file.${name}`

/** What a file may hold at most: larger ones are not even read. */
export const LIMITS = {
  manifestBytes: 4 * 1024 * 1024,
  stateBytes: 16 * 1024 * 1024,
  memoryBytes: 2 ** 40,
  /** As large as a file can be on ext4. */
  fileBytes: 2 ** 44,
  cpus: 255,
  devices: 32,
  files: 32,
  digests: 16,
  flags: 1000,
  /** Diffs on top of each other. */
  depth: 16,
} as const

export interface MachineShape {
  readonly memoryBytes: number
  readonly cpus: number
  readonly acpi: boolean
  readonly pit: boolean
  /** Names of the virtio devices, in slot order. */
  readonly devices: readonly string[]
}

export interface CpuFacts {
  readonly vendor: string
  readonly family: number
  readonly model: number
  readonly stepping: number
  readonly name: string
  /** As /proc/cpuinfo has them. */
  readonly flags: readonly string[]
}

/** Where a guest ran: it goes on only where the same is there. */
export interface HostFacts {
  /** The module behind /dev/kvm. */
  readonly backend: string
  readonly hardware: boolean
  readonly kernel: string
  readonly cpu: CpuFacts
}

export interface FileFacts {
  readonly bytes: number
  readonly sha256: string
}

export interface MemoryFacts extends FileFacts {
  /** `sha256` is of the list of digests. */
  readonly kind: 'full' | 'diff'
  /** Of a diff: of its list of pages. */
  readonly extents?: FileFacts
}

export interface SnapshotManifest {
  readonly schema: typeof SNAPSHOT_SCHEMA
  /** ISO 8601. */
  readonly createdAt: string
  /** Of the Cloister that wrote it. */
  readonly version: string
  readonly level: string
  /** The level's own. */
  readonly spec: Json
  readonly machine: MachineShape
  /** Of what it was made from: its kernel, its agent. */
  readonly digests: Readonly<Record<string, string>>
  readonly host: HostFacts
  readonly state: FileFacts
  readonly memory: MemoryFacts
  readonly files: readonly (FileFacts & { readonly name: string })[]
  /** Of a diff: the snapshot beside it that it is one to. */
  readonly base: { readonly name: string; readonly sha256: string } | null
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/
const FILE_NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/
const WORD = /^[a-z][a-z0-9-]{0,31}$/
const SHA256 = /^[0-9a-f]{64}$/

/** Whether a directory of that name can be the base of another. */
export const isSnapshotName = (name: unknown): boolean => typeof name === 'string' && NAME.test(name)
export const isFileName = (name: unknown): boolean => typeof name === 'string' && FILE_NAME.test(name)
export const isLevelName = (name: unknown): boolean => typeof name === 'string' && WORD.test(name)
export const isSha256 = (text: unknown): boolean => typeof text === 'string' && SHA256.test(text)

export const damagedHint = 'It is damaged or was altered: remove it, and take it anew.'
