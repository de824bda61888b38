/** What a crash of ours left behind is noticed by the next command, said, and cleaned. */
import type { InstanceStore } from '../instance/store.ts'
import { loadLevel } from '../levels.ts'
import type { Log } from '../log.ts'

export async function sweepOrphans(store: InstanceStore, log: Log, options: { quick: boolean }): Promise<void> {
  for (const orphan of store.orphans(options)) {
    const { record, name } = orphan
    try {
      if (record) {
        const level = await loadLevel(record.config.spec.isolation)
        const released = await level.sweep(name, record.directory)
        log.info('cleaned up after an instance whose Cloister process died', { instance: name, released })
      }
      store.settle(orphan)
    } catch (error) {
      // The next command tries again; this one has its own work to do.
      log.warn('cannot clean up after an instance whose Cloister process died', { instance: name, error })
    }
  }
  if (!options.quick) store.tidy()
}
