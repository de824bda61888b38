/** Tries the OCI runtimes of this host one after the other, less those that are known never to work on it. */
import type { CgroupLayout } from '../host/cgroup-layout.ts'
import { findRuntimes, noRuntimeError, type OciRuntime } from './runtime.ts'
import { notesFile, runtimeNotes } from './runtime-notes.ts'

/** @param attempt answers why the runtime will never work here, if so @throws HostError when none works */
export async function withSomeRuntime(
  layout: CgroupLayout,
  attempt: (runtime: OciRuntime) => Promise<string | undefined>,
): Promise<void> {
  const notes = runtimeNotes(notesFile())
  const refused: { name: string; reason: string }[] = []
  for (const runtime of findRuntimes(layout)) {
    let reason = notes.reasonOf(runtime)
    if (reason === undefined) {
      reason = await attempt(runtime)
      if (reason === undefined) return
      notes.add(runtime, reason)
    }
    refused.push({ name: runtime.name, reason })
  }
  throw noRuntimeError(refused)
}
