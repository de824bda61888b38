/**
 * What is known about the OCI runtimes of this host, in one small file of the run root: what they said about it, and
 * which version they are. Both hold until the next boot or the runtime's next upgrade.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootId } from '../host/boot-id.ts'
import { stateRoots } from '../instance/state-root.ts'
import { askVersion, type OciRuntime } from './runtime.ts'

interface Note {
  readonly path: string
  readonly version: string
  /** Why it will never work here. */
  readonly reason?: string
  /** The version in its own words. */
  readonly says?: string
}

export interface RuntimeNotes {
  reasonOf(runtime: OciRuntime): string | undefined
  /** Notes that it refused the host. */
  add(runtime: OciRuntime, reason: string): void
  /** Asked once. */
  versionOf(runtime: OciRuntime): string | undefined
}

export const notesFile = (): string => join(stateRoots().run, 'oci-runtimes.json')

export function runtimeNotes(file: string): RuntimeNotes {
  let known = read(file)
  const find = ({ path, version }: OciRuntime) => known.find((one) => one.path === path && one.version === version)
  const write = (runtime: OciRuntime, news: Partial<Note>) => {
    const note = { ...find(runtime), ...news, path: runtime.path, version: runtime.version }
    known = [...known.filter((one) => one.path !== runtime.path), note]
    try {
      writeFileSync(file, `${JSON.stringify({ bootId: bootId(), runtimes: known })}\n`, { mode: 0o600 })
    } catch {
      // It will be found out again next time.
    }
  }
  return {
    reasonOf: (runtime) => find(runtime)?.reason,
    add: (runtime, reason) => write(runtime, { reason }),
    versionOf(runtime) {
      const noted = find(runtime)?.says
      if (noted !== undefined) return noted
      const says = askVersion(runtime)
      if (says !== undefined) write(runtime, { says })
      return says
    },
  }
}

function read(file: string): readonly Note[] {
  try {
    const { bootId: recorded, runtimes } = JSON.parse(readFileSync(file, 'utf8'))
    return recorded === bootId() && Array.isArray(runtimes) ? runtimes : []
  } catch {
    return []
  }
}
