/** The files of a snapshot, from a state and a memory that do not change any more. */
import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { UsageError } from '../errors.ts'
import type { FrozenRam } from '../memory/ram.ts'
import { VERSION } from '../version.ts'
import type { Json, JsonObject } from '../virtio/saved-state.ts'
import { writeCheck } from './check-record.ts'
import { digestFile, sha256 } from './chunk-digests.ts'
import { hostFacts, hostStamp } from './host-check.ts'
import {
  extraFile,
  FILES,
  type FileFacts,
  LIMITS,
  type MemoryFacts,
  SNAPSHOT_SCHEMA,
  type SnapshotManifest,
} from './manifest.ts'
import { encodeExtents } from './page-extents.ts'
import { readManifest } from './read-manifest.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import { syncFiles } from './sync-file.ts'
import type { SnapshotRequest } from './take-snapshot.ts'
import { writeAll, writeChanged } from './write-memory.ts'

export interface Work {
  readonly request: SnapshotRequest
  readonly state: JsonObject
  readonly frozen: FrozenRam
  readonly step: () => void
  readonly target: string
}

export async function writeFiles(
  directory: string,
  work: Work,
): Promise<{ manifest: SnapshotManifest; bytes: number }> {
  const { request, state } = work
  const { level, spec, machine, digests = {}, base } = request
  const stamps: Record<string, string> = {}
  const open: number[] = []
  const create = (name: string): number => {
    const fd = openSync(join(directory, name), 'wx', 0o600)
    open.push(fd)
    return fd
  }
  const put = (name: string, bytes: Buffer): FileFacts => {
    const fd = create(name)
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
    return { bytes: bytes.length, sha256: sha256(bytes) }
  }
  try {
    const memoryFile = create(FILES.memory)
    const { memory, bytes } = await writeMemory(work, memoryFile, put)
    // It will be mapped: nobody is to write to it by mistake.
    fchmodSync(memoryFile, 0o400)
    const files: (FileFacts & { name: string })[] = []
    for (const { name } of request.files ?? []) {
      const { stamp, ...file } = await addFile(directory, name, open, work.step)
      stamps[extraFile(name)] = stamp
      files.push(file)
    }
    const manifest: SnapshotManifest = {
      schema: SNAPSHOT_SCHEMA,
      createdAt: new Date().toISOString(),
      version: VERSION,
      level,
      spec,
      machine,
      digests,
      host: hostFacts(),
      state: put(FILES.state, Buffer.from(JSON.stringify(state))),
      memory,
      files,
      base: base ? { name: basename(base.directory), sha256: base.digest } : null,
    }
    const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
    // Whatever a reader would refuse is not written.
    readManifest(JSON.parse(text.toString()) as Json, `the snapshot ${basename(work.target)}`)
    if (text.length > LIMITS.manifestBytes) {
      throw new UsageError(
        `Cannot take the snapshot ${basename(work.target)}: the arguments and the environment of its program are too long for one.`,
      )
    }
    const { sha256: digest } = put(FILES.manifest, text)
    put(FILES.manifestDigest, Buffer.from(`${digest}  ${FILES.manifest}\n`))
    await syncFiles(open)
    work.step()
    const own = new SnapshotFiles(directory, 'the snapshot')
    const file = own.open(FILES.memory)
    stamps[FILES.memory] = file.stamp
    closeSync(file.fd)
    writeCheck(directory, { digest, host: hostStamp(), stamps })
    return { manifest, bytes }
  } finally {
    for (const fd of open) closeSync(fd)
  }
}

async function writeMemory(
  { request: { base }, frozen, step }: Work,
  fd: number,
  put: (name: string, bytes: Buffer) => FileFacts,
): Promise<{ memory: MemoryFacts; bytes: number }> {
  const image = frozen.image()
  if (!base) {
    const { digests, bytes } = await writeAll(fd, image, step)
    return {
      memory: { kind: 'full', bytes: image.size, sha256: put(FILES.memoryDigests, digests.bytes).sha256 },
      bytes,
    }
  }
  const { digests, extents, bytes } = await writeChanged(fd, { image, since: frozen.since, base: base.memory }, step)
  const list = put(FILES.memoryExtents, encodeExtents(extents))
  const { sha256: digest } = put(FILES.memoryDigests, digests.bytes)
  return { memory: { kind: 'diff', bytes, sha256: digest, extents: list }, bytes }
}

/** Its stamp is of before it was read: others may have a name for it, and write to it. */
async function addFile(
  directory: string,
  name: string,
  open: number[],
  step: () => void,
): Promise<FileFacts & { readonly name: string; readonly stamp: string }> {
  const file = new SnapshotFiles(directory, 'the snapshot').open(extraFile(name))
  open.push(file.fd)
  const { bytes, stamp } = file
  return { name, stamp, bytes, sha256: sha256((await digestFile(file.fd, bytes, step)).bytes) }
}
