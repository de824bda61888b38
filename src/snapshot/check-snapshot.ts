/** All that takes time before a snapshot can be gone on from, unless this host has done it before. */
import { HostError } from '../errors.ts'
import type { CpuPolicy } from '../machine/cpu-policy.ts'
import { readCheck, writeCheck } from './check-record.ts'
import { digestFile, sha256 } from './chunk-digests.ts'
import { checkHost, hostStamp } from './host-check.ts'
import { extraFile, FILES, type SnapshotManifest } from './manifest.ts'
import type { OpenFile, SnapshotFiles } from './snapshot-files.ts'
import { checkMemory, type OpenMemory } from './snapshot-memory.ts'

export interface Opened {
  readonly files: SnapshotFiles
  readonly manifest: SnapshotManifest
  readonly digest: string
  readonly memory: OpenMemory
  readonly policy: CpuPolicy
}

/** @throws HostError */
export async function checkSnapshot({ files, manifest, digest, memory, policy }: Opened): Promise<void> {
  const before = readCheck(files, digest)
  const host = hostStamp()
  if (before?.host !== host) comparable(manifest, policy, files)
  const stamps: Record<string, string> = { [FILES.memory]: memory.file.stamp }
  const changed = (name: string) => before?.stamps[name] !== stamps[name]
  if (changed(FILES.memory)) await checkMemory(files, memory, manifest.memory.kind)
  for (const { name, bytes, sha256: expected } of manifest.files) {
    const closers: (() => void)[] = []
    try {
      const file = files.openSized(extraFile(name), bytes, closers)
      stamps[extraFile(name)] = file.stamp
      if (changed(extraFile(name))) await checkExtra(files, extraFile(name), file, expected)
    } finally {
      for (const undo of closers) undo()
    }
  }
  if (before?.host !== host || Object.keys(stamps).some(changed)) {
    writeCheck(files.directory, { digest, host, stamps })
  }
}

function comparable({ host }: SnapshotManifest, policy: CpuPolicy, files: SnapshotFiles): void {
  try {
    checkHost(host, policy, files.what)
  } catch (cause) {
    if (cause instanceof HostError) throw cause
    const { message } = cause as Error
    throw new HostError(`Cannot use ${files.what} on this host: its KVM cannot be asked what it offers, ${message}.`, {
      hint: 'Run `cloister doctor` to see what this host lacks.',
      cause,
    })
  }
}

async function checkExtra(
  files: SnapshotFiles,
  name: string,
  { fd, bytes }: OpenFile,
  expected: string,
): Promise<void> {
  if (sha256((await digestFile(fd, bytes)).bytes) !== expected)
    throw files.refusal(`its ${name} is not what was written`)
}
