/** What takes its time with snapshots, and tells a person who waits what is going on. */
import type { SnapshotFacts, SnapshotOrder } from '../instance/instance.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { withControl } from './instances.ts'
import { createProgress } from './progress.ts'

const PATIENCE_MS = 1000

export const askForSnapshot = (record: InstanceRecord, order: SnapshotOrder): Promise<SnapshotFacts> =>
  patiently(`saving ${record.name}`, async () => {
    const { snapshot } = await withControl(record, 'take a snapshot of', (client) =>
      client.ask({ verb: 'snapshot', ...order }),
    )
    return snapshot
  })

/** @param what is said on a terminal when it takes longer than a moment */
export async function patiently<T>(what: string, work: () => Promise<T>): Promise<T> {
  const progress = createProgress({ silent: process.stderr.isTTY !== true })
  const began = Date.now()
  let told = false
  const telling = setInterval(() => {
    told = true
    progress.tell(what, `${Math.round((Date.now() - began) / 1000)} s`)
  }, PATIENCE_MS)
  try {
    return await work()
  } finally {
    clearInterval(telling)
    if (told) progress.end()
  }
}
