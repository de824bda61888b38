/** Names of networks for a shell to offer: reads, makes nothing, and says nothing when there is nothing to read. */
import { networkNames } from '../../network/name.ts'
import type { Candidate } from './candidates.ts'

export function networkCandidates(): Candidate[] {
  try {
    return networkNames().map((word) => ({ word }))
  } catch {
    return []
  }
}
