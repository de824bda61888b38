/** What a crash of ours left behind is noticed by the next command, said, and cleaned. */
import { closeSync, constants, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExitResult } from '../instance/instance.ts'
import type { InstanceStore, Orphan } from '../instance/store.ts'
import { loadLevel } from '../levels.ts'
import type { Log } from '../log.ts'

/** Ending what a container left takes as long as its processes take to die. */
const PATIENCE_MS = 10_000
const LOOK_MS = 5

export interface Swept {
  readonly instance: string
  /** What the host still held for it, in words. */
  readonly released: readonly string[]
  /** Why it could not be cleaned; the next command tries again. */
  readonly error?: Error
}

export async function sweepOrphans(store: InstanceStore, log: Log, options: { quick: boolean }): Promise<Swept[]> {
  const swept: Swept[] = []
  for (const orphan of store.orphans(options)) {
    const outcome = await alone(orphan, options.quick, async () => {
      const now = store.again(orphan)
      return now && (await clean(store, now))
    })
    if (outcome === undefined) continue
    swept.push(outcome)
    const { instance, released, error } = outcome
    if (error) log.warn('cannot clean up after an instance whose Cloister process died', { instance, error })
    else log.info('cleaned up after an instance whose Cloister process died', { instance, released })
  }
  if (!options.quick) store.tidy()
  return swept
}

async function clean(store: InstanceStore, orphan: Orphan): Promise<Swept> {
  const { record, name } = orphan
  let released: readonly string[] = []
  let end: ExitResult | undefined
  try {
    if (record) {
      const level = await loadLevel(record.config.spec.isolation)
      end = level.crash?.(record)
      released = await level.sweep(name, record.directory)
      if (record.config.spec.network?.kind === 'network') released = [...released, ...(await sweepNetworks())]
    }
    store.settle(orphan, end)
    return { instance: name, released }
  } catch (error) {
    return { instance: name, released, error: error as Error }
  }
}

/** Loaded for whoever needs it only: most instances have no network. @returns what there was, in words */
export async function sweepNetworks(): Promise<string[]> {
  const { releaseDead, sayLeft } = await import('../network/dead.ts')
  const { NetworkStore } = await import('../network/store.ts')
  return releaseDead(new NetworkStore()).map(sayLeft)
}

/**
 * Of several commands that notice the same one, the first does it; its lock goes with it, however it ends. The others
 * wait, since what they are about to do may need the name, or its control group, unless they are in a hurry.
 */
async function alone<T>({ marker }: Orphan, quick: boolean, work: () => Promise<T>): Promise<T | undefined> {
  const { tryLock } = await import('../../kvm-bindings/ffi.ts')
  let fd: number
  try {
    fd = openSync(marker, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch {
    return undefined // another one has just finished
  }
  try {
    for (const deadline = performance.now() + PATIENCE_MS; !tryLock(fd); await sleep(LOOK_MS)) {
      if (quick || performance.now() > deadline) return undefined
    }
    return await work()
  } finally {
    closeSync(fd)
  }
}
