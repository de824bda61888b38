/** Finds the instances that a command line names, and does something to each of them. */
import { type ControlClient, connectControl, HolderGone } from '../control/client.ts'
import { CloisterError, UsageError } from '../errors.ts'
import { type InstanceRecord, isLive } from '../instance/record.ts'
import { claimRunRoot } from '../instance/state-root.ts'
import { InstanceStore } from '../instance/store.ts'
import type { CommandContext } from './command.ts'
import { createProgress } from './progress.ts'
import { suggest } from './suggest.ts'
import { sweepOrphans } from './sweep.ts'
import { print, printError } from './terminal.ts'

/** Instances that are asked at the same time. */
const AT_ONCE = 16
/** After this a person at a terminal is told what is waited for. */
const PATIENCE_MS = 1000

/** The store, after what crashed was noticed. */
export async function openStore({ log }: CommandContext): Promise<InstanceStore> {
  const store = new InstanceStore(claimRunRoot())
  await sweepOrphans(store, log, { quick: false })
  return store
}

/** @param action "pause", for the message @throws UsageError */
export function recordNamed(store: InstanceStore, name: string, action: string): InstanceRecord {
  const record = store.read(name)
  if (record) return record
  throw unknownInstance(store, name, action)
}

export function unknownInstance(store: InstanceStore, name: string, action: string): UsageError {
  const near = suggest(
    name,
    store.list().map((one) => one.name),
  )
  return new UsageError(`Cannot ${action} instance "${name}": there is none of that name.`, {
    hint: near === undefined ? 'See "cloister ps -a".' : `Did you mean "${near}"? "cloister ps -a" lists them all.`,
  })
}

/** @throws UsageError for one that has ended */
export function liveRecordNamed(store: InstanceStore, name: string, action: string): InstanceRecord {
  const record = recordNamed(store, name, action)
  if (isLive(record.state)) return record
  throw ended(name, action)
}

const ended = (name: string, action: string): UsageError =>
  new UsageError(`Cannot ${action} instance "${name}": it has ended.`, { hint: `"cloister inspect ${name}" says how.` })

/** Asks the process that holds it. @throws UsageError when it has ended or refuses */
export async function withControl<T>(
  record: InstanceRecord,
  action: string,
  work: (client: ControlClient) => Promise<T>,
): Promise<T> {
  try {
    const client = await connectControl(record)
    try {
      return await work(client)
    } finally {
      client.close()
    }
  } catch (error) {
    if (error instanceof HolderGone) throw ended(record.name, action)
    throw error
  }
}

/**
 * Does the work for every name, some at the same time, and prints the names (or what the work answers) in their order.
 * One that fails says so and does not keep the others from it. @returns exit status: 1 when one failed
 */
export async function forEachNamed(
  names: readonly string[],
  work: (name: string) => Promise<string | undefined>,
  atOnce = AT_ONCE,
): Promise<number> {
  let status = 0
  const each = [...new Set(names)]
  for (let at = 0; at < each.length; at += atOnce) {
    for (const outcome of await patiently(each.slice(at, at + atOnce), work)) {
      if (outcome.status === 'rejected') {
        sayFault(outcome.reason)
        status = 1
      } else if (outcome.value !== undefined) print(outcome.value)
    }
  }
  return status
}

/** Tells a person at a terminal what takes so long. */
async function patiently<T>(names: readonly string[], work: (name: string) => Promise<T>) {
  const waiting = new Set(names)
  const progress = createProgress({ silent: process.stderr.isTTY !== true })
  let told = false
  const telling = setInterval(() => {
    told = true
    progress.tell(`waiting for ${[...waiting].join(', ')}`)
  }, PATIENCE_MS)
  const outcomes = await Promise.allSettled(names.map((name) => work(name).finally(() => waiting.delete(name))))
  clearInterval(telling)
  if (told) progress.end()
  return outcomes
}

/** One of several names could not be served; the others can. */
export function sayFault(error: unknown): void {
  if (!(error instanceof CloisterError)) throw error
  printError(`cloister: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`)
}
