/** What every level puts into the `spec` of a snapshot: what was asked for (`run`), and its own beside it (`state`). */
import type { RunSpec } from '../instance/run-spec.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import { readSavedSpec } from './saved-spec.ts'

/** Which snapshot it came from itself, and what was for that one run only, is nobody else's business. */
export const specToSave = ({ from: _from, cold: _cold, trace: _trace, ...run }: RunSpec, state: Json): Json => ({
  run: run as unknown as Json,
  state,
})

/** @throws HostError when it is none */
export const savedRun = (spec: Json): RunSpec => readSavedSpec(new SavedFields('the instance', spec).value('run'))

export const savedState = (spec: Json): SavedFields =>
  new SavedFields('the instance', new SavedFields('the instance', spec).value('state'))
