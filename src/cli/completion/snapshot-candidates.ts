/** Names of snapshots for a shell to offer: reads, makes nothing, and says nothing when there is nothing to read. */
import { readdirSync } from 'node:fs'
import { isInstanceName } from '../../instance/name.ts'
import { snapshotsRoot } from '../../snapshot/place.ts'
import type { Candidate } from './candidates.ts'

export function snapshotCandidates(): Candidate[] {
  try {
    return readdirSync(snapshotsRoot())
      .filter(isInstanceName)
      .map((word) => ({ word, describe: 'snapshot' }))
  } catch {
    return []
  }
}
