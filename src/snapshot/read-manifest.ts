/** Reads snapshot.json: a file from anywhere, so every field is looked at on its way in. */
import { HostError } from '../errors.ts'
import {
  type Check,
  flag,
  integer,
  isObject,
  listOf,
  matching,
  object,
  oneOf,
  optional,
  printable,
} from '../json-checks.ts'
import { LOW_RAM_END, PAGE_SIZE } from '../memory/memory-map.ts'
import type { Json } from '../virtio/saved-state.ts'
import { sha256 } from './chunk-digests.ts'
import {
  damagedHint,
  FILES,
  isFileName,
  isLevelName,
  isSha256,
  isSnapshotName,
  LIMITS,
  SNAPSHOT_SCHEMA,
  type SnapshotManifest,
} from './manifest.ts'
import type { SnapshotFiles } from './snapshot-files.ts'

const file = { bytes: integer(0, LIMITS.fileBytes), sha256: isSha256 }
const numbered = integer(0, 0xffff_ffff)
const isoTime: Check = (value) =>
  matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)(value) && !Number.isNaN(Date.parse(value as string))
const cpu = object({
  vendor: printable(64),
  family: numbered,
  model: numbered,
  stepping: numbered,
  name: printable(128),
  flags: listOf(LIMITS.flags, matching(/^[a-z0-9_]{1,40}$/)),
})

const FIELDS: Readonly<Record<keyof SnapshotManifest, Check>> = {
  schema: oneOf([SNAPSHOT_SCHEMA]),
  createdAt: isoTime,
  version: printable(64),
  level: isLevelName,
  spec: () => true,
  machine: object({
    memoryBytes: integer(LOW_RAM_END, LIMITS.memoryBytes, PAGE_SIZE),
    cpus: integer(1, LIMITS.cpus),
    acpi: flag,
    pit: flag,
    devices: listOf(LIMITS.devices, printable(64)),
  }),
  digests: (value) =>
    isObject(value) &&
    Object.keys(value).length <= LIMITS.digests &&
    Object.entries(value).every(([name, digest]) => isLevelName(name) && isSha256(digest)),
  host: object({ backend: printable(64), hardware: flag, kernel: printable(200), cpu }),
  state: object({ ...file, bytes: integer(0, LIMITS.stateBytes) }),
  memory: object({
    ...file,
    bytes: integer(0, LIMITS.memoryBytes, PAGE_SIZE),
    kind: oneOf(['full', 'diff']),
    extents: optional(object(file)),
  }),
  files: listOf(LIMITS.files, object({ ...file, name: isFileName })),
  base: (value) => value === null || object({ name: isSnapshotName, sha256: isSha256 })(value),
}

/** The manifest of a snapshot as it was written, and its digest. @throws HostError */
export function openManifest(files: SnapshotFiles): { manifest: SnapshotManifest; digest: string } {
  const bytes = files.read(FILES.manifest, LIMITS.manifestBytes)
  const digest = sha256(bytes)
  const written = files.read(FILES.manifestDigest, 1024).toString('latin1').split(' ')[0]!
  const manifest = readManifest(files.parse(FILES.manifest, bytes), files.what)
  if (!isSha256(written) || written !== digest) throw files.refusal(`its ${FILES.manifest} is not what was written`)
  return { manifest, digest }
}

/** @throws HostError for anything but a manifest of this version. */
export function readManifest(json: Json, what: string): SnapshotManifest {
  if (!isObject(json)) throw notOne(what, 'its manifest is no object')
  if (json.schema !== SNAPSHOT_SCHEMA && printable(64)(json.schema)) {
    throw new HostError(
      `Cannot use ${what}: it is of version ${json.schema}, and this Cloister reads ${SNAPSHOT_SCHEMA}.`,
      {
        hint: 'Take it anew with this version, or use the version that wrote it.',
      },
    )
  }
  for (const [name, check] of Object.entries(FIELDS)) {
    if (!Object.hasOwn(json, name) || !check(json[name])) throw notOne(what, `its ${name} is not what it should be`)
  }
  const stranger = Object.keys(json).find((key) => !Object.hasOwn(FIELDS, key))
  if (stranger !== undefined) throw notOne(what, `nothing is known of a field ${JSON.stringify(stranger.slice(0, 40))}`)
  const manifest = json as unknown as SnapshotManifest
  const fault = disagreement(manifest)
  if (fault) throw notOne(what, fault)
  return manifest
}

/** What the fields have to say about each other. */
function disagreement({ machine, memory, files, base }: SnapshotManifest): string | undefined {
  const diff = memory.kind === 'diff'
  if (diff !== (base !== null)) return 'a diff has a base, and nothing else has'
  if (diff !== (memory.extents !== undefined)) return 'a diff has a list of pages, and nothing else has'
  if (diff ? memory.bytes > machine.memoryBytes : memory.bytes !== machine.memoryBytes) {
    return 'its memory is not as large as its machine says'
  }
  if (new Set(files.map(({ name }) => name)).size !== files.length) return 'a file is in it twice'
  return undefined
}

const notOne = (what: string, reason: string) => new HostError(`Cannot use ${what}: ${reason}.`, { hint: damagedHint })
