/** Asks an instance for a snapshot of itself, and tells a person who waits what is going on. */
import type { SnapshotFacts, SnapshotOrder } from '../instance/instance.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { withControl } from './instances.ts'
import { createProgress } from './progress.ts'

const PATIENCE_MS = 1000

export async function askForSnapshot(record: InstanceRecord, order: SnapshotOrder): Promise<SnapshotFacts> {
  const progress = createProgress({ silent: process.stderr.isTTY !== true })
  const began = Date.now()
  const telling = setInterval(
    () => progress.tell(`saving ${record.name}`, `${Math.round((Date.now() - began) / 1000)} s`),
    PATIENCE_MS,
  )
  try {
    const { snapshot } = await withControl(record, 'take a snapshot of', (client) =>
      client.ask({ verb: 'snapshot', ...order }),
    )
    return snapshot
  } finally {
    clearInterval(telling)
    if (Date.now() - began > PATIENCE_MS) progress.end()
  }
}
