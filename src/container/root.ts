/**
 * The root directory of a container: an overlay of what the user gave (below, never written) and of memory that goes
 * away with the container. For a single program the lower tree is a small one of our own.
 */
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { BugError, HostError } from '../errors.ts'
import { PROGRAM_DIRECTORIES, PROGRAM_FILES } from '../image/program-tree.ts'
import type { RunSpec, Source } from '../instance/run-spec.ts'
import { type OciMount, readOnlyFile } from './mounts.ts'

/** Names below the container's directory, as launch.c knows them. */
export const LAYERS = { lower: 'lower', writable: 'writable', root: 'root' } as const

/** @returns what is to be mounted in it */
export function prepareRoot(spec: RunSpec, directory: string): OciMount[] {
  const lower = join(directory, LAYERS.lower)
  const { source } = spec
  if (source.kind === 'kernel') throw new BugError(`Cannot make a root for "${spec.name}": it is a kernel.`)
  const mounts = source.kind === 'program' ? programRoot(source, lower) : givenRoot(spec, source, lower)
  for (const name of [LAYERS.writable, LAYERS.root]) mkdirSync(join(directory, name))
  return mounts
}

/** A symbolic link, so that no character of the path can be taken for an option of the mount. */
function givenRoot(spec: RunSpec, { directory }: Extract<Source, { kind: 'rootfs' }>, lower: string): OciMount[] {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new HostError(`Cannot use ${directory} as the root of "${spec.name}": it is not a directory.`)
  }
  symlinkSync(resolve(directory), lower)
  return []
}

function programRoot(source: Extract<Source, { kind: 'program' }>, lower: string): OciMount[] {
  mkdirSync(lower, { mode: 0o755 })
  for (const { path, mode } of PROGRAM_DIRECTORIES) {
    mkdirSync(join(lower, path))
    chmodSync(join(lower, path), mode)
  }
  for (const { path, text } of PROGRAM_FILES) writeFileSync(join(lower, path), text)
  return [readOnlyFile(source.hostPath, source.path)]
}
