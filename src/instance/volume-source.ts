/** What may be shared with an instance: a directory or a file of the host, and none in which Cloister keeps its own state. */
import { statSync } from 'node:fs'
import { pathFault, UsageError } from '../errors.ts'
import { inOwnState } from './own-state.ts'
import type { VolumeSpec } from './run-spec.ts'

export type VolumeKind = 'directory' | 'file'

/** @throws UsageError with what is wrong about it */
export function checkVolumeSource({ source }: Pick<VolumeSpec, 'source'>): VolumeKind {
  const kind = kindOf(source)
  if (inOwnState(source)) {
    throw refusedVolume(source, 'it is part of what Cloister keeps its own state in', 'Share a directory elsewhere.')
  }
  return kind
}

function kindOf(source: string): VolumeKind {
  let stat: ReturnType<typeof statSync>
  try {
    stat = statSync(source)
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw refusedVolume(source, pathFault(cause), missing ? `Make it: mkdir ${source}` : undefined, cause)
  }
  if (stat.isDirectory()) return 'directory'
  if (stat.isFile()) return 'file'
  const what = stat.isFIFO() ? 'a FIFO' : stat.isSocket() ? 'a socket' : 'a device'
  throw refusedVolume(source, `it is ${what}`, 'Directories and regular files can be shared.')
}

export const refusedVolume = (source: string, reason: string, hint?: string, cause?: unknown): UsageError =>
  new UsageError(`Cannot share ${source}: ${reason}.`, { ...(hint === undefined ? {} : { hint }), cause })
