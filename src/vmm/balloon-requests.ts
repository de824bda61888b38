/** What a user asks of a guest's memory, and what the guest says of it. */

import type { VirtioBalloon } from '../devices/virtio-balloon.ts'
import type { GuestMemoryStatistics } from '../devices/virtio-balloon-statistics.ts'
import { UsageError } from '../errors.ts'
import type { GuestMemoryUsage } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { MIB } from '../memory/memory-map.ts'

/** A guest that is left with less kills its own programs, and then itself. */
const LEAST = 16 * MIB

/** Asks the guest to live with so much: it takes its time. @throws UsageError */
export function askForMemory(
  { name, memoryBytes }: Pick<RunSpec, 'name' | 'memoryBytes'>,
  balloon: VirtioBalloon | undefined,
  bytes: number,
): void {
  const refuse = (reason: string, hint: string) => new UsageError(`Cannot update "${name}": ${reason}.`, { hint })
  if (!balloon) {
    throw refuse('a unikernel keeps the memory it was given', 'End it, and run it again with another --memory.')
  }
  if (bytes > memoryBytes) {
    throw refuse(`it has ${memoryBytes / MIB} MiB, and a VM gets no more`, 'Run it again with another --memory.')
  }
  if (bytes < LEAST) throw refuse(`a guest needs at least ${LEAST / MIB} MiB`, 'A bare number is bytes: write 128M.')
  balloon.setTarget(bytes)
}

export function guestMemoryUsage(balloon: VirtioBalloon): GuestMemoryUsage {
  const { hugePageAllocations: _, hugePageFailures: __, ...said }: GuestMemoryStatistics = balloon.statistics() ?? {}
  return { targetBytes: balloon.targetBytes, actualBytes: balloon.actualBytes, ...said }
}
