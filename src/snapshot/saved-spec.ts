/**
 * What an instance was asked to run, as a snapshot gives it back: a file from anywhere, so each field is what its type
 * says, and no longer than anything a command line could have said. It names things of the host (disks, directories,
 * networks): whoever goes on from it decides about those anew.
 */
import { HostError } from '../errors.ts'
import { isInstanceName } from '../instance/name.ts'
import type { Isolation, RunSpec } from '../instance/run-spec.ts'
import { type Check, either, flag, integer, listOf, object, oneOf, optional } from '../json-checks.ts'
import type { Json } from '../virtio/saved-state.ts'
import { damagedHint, isLevelName } from './manifest.ts'

/** As Linux has them: ARG_MAX is two megabytes, a path 4096 bytes. */
const WORD_MAX = 128 * 1024
const WORDS_MAX = 4096
const PATH_MAX = 4096
const DEVICES_MAX = 64
const MEMORY_MAX = 2 ** 40

const text =
  (max: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= max && !value.includes('\0')
const path = text(PATH_MAX)
const absolute: Check = (value) => path(value) && (value as string).startsWith('/')
const exactly = (expected: string): Check => oneOf([expected])

const words = listOf(WORDS_MAX, text(WORD_MAX))
const perSecond = optional(integer(1, 2 ** 50))
const rate = optional(object({ bytesPerSecond: perSecond, operationsPerSecond: perSecond }))
const numericId = integer(0, 2 ** 32 - 2)

const REQUIRED: Readonly<Record<string, Check>> = {
  name: (value) => typeof value === 'string' && isInstanceName(value),
  isolation: (value) => typeof value === 'string' && isLevelName(value),
  source: either(
    object({ kind: exactly('program'), hostPath: path, path: absolute }),
    object({ kind: exactly('rootfs'), directory: path }),
    object({ kind: exactly('kernel'), path }),
  ),
  program: text(PATH_MAX),
  argv: words,
  env: words,
  cwd: absolute,
  memoryBytes: integer(1, MEMORY_MAX),
  cpus: integer(1, 255),
  interactive: flag,
}

const OPTIONAL: Readonly<Record<string, Check>> = {
  tty: flag,
  user: object({ uid: numericId, gid: numericId }),
  volumes: listOf(DEVICES_MAX, object({ source: absolute, target: absolute, readOnly: flag })),
  network: either(object({ kind: exactly('none') }), object({ kind: oneOf(['tap', 'network']), name: text(64), rate })),
  disks: listOf(DEVICES_MAX, object({ path, readOnly: flag, copyOnWrite: optional(flag), base: optional(path), rate })),
  kernel: path,
  initrd: path,
  append: text(WORD_MAX),
}

/** @throws HostError for anything else. Fields of no meaning to another run are left out. */
export function readSavedSpec(json: Json | undefined): RunSpec {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unreadable('it is no object')
  const given = json as Record<string, unknown>
  const kept: Record<string, unknown> = {}
  for (const [name, check] of Object.entries({ ...REQUIRED, ...OPTIONAL })) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    if (value === undefined && Object.hasOwn(OPTIONAL, name)) continue
    if (!check(value)) throw unreadable(`its ${name} is not what it should be`)
    kept[name] = value
  }
  return kept as unknown as RunSpec & { isolation: Isolation }
}

const unreadable = (reason: string) =>
  new HostError(`Cannot go on with the instance of this snapshot: what it runs cannot be read, ${reason}.`, {
    hint: damagedHint,
  })
