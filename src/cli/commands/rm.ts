/** `cloister rm`: forgets instances that have ended; with `-f` ends them first. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HolderGone } from '../../control/client.ts'
import { CloisterError, HostError, UsageError } from '../../errors.ts'
import { isAlive, type ProcessIdentity } from '../../instance/process-identity.ts'
import { type InstanceRecord, isLive } from '../../instance/record.ts'
import { type CommandContext, flag } from '../command.ts'
import { forEachNamed, openStore, unknownInstance, withControl } from '../instances.ts'

/** Time for the holder to end its instance and tidy up, before it is killed and the sweep does that. */
const GRACE_MS = 5000
const KILLED_MS = 3000
const LOOK_MS = 5

export async function run(context: CommandContext): Promise<number> {
  const force = flag(context.arguments, 'force')
  const store = await openStore(context)
  return await forEachNamed(context.arguments.operands, async (name) => {
    if (!store.has(name)) {
      if (force) return undefined
      throw unknownInstance(store, name, 'remove')
    }
    const record = store.read(name)
    if (record && isLive(record.state)) {
      if (!force && isAlive(record.state.owner)) {
        throw new UsageError(`Cannot remove instance "${name}": it is running.`, {
          hint: `End it with "cloister rm -f ${name}".`,
        })
      }
      await end(record)
      // Its process may have died without tidying up, before it was asked or after.
      if (isLive(store.read(name)?.state ?? record.state)) await openStore(context)
    }
    const now = store.read(name)
    if (now && isLive(now.state) && isAlive(now.state.owner)) {
      throw new UsageError(`Cannot remove instance "${name}": another one has that name by now, and it is running.`, {
        hint: `End it with "cloister rm -f ${name}".`,
      })
    }
    store.remove(name)
    return name
  })
}

/** By its holder if that answers, and without it if not. */
async function end(record: InstanceRecord): Promise<void> {
  const { owner } = record.state
  if (!isAlive(owner)) return
  const asked = withControl(record, 'remove', (client) => client.ask({ verb: 'kill', removed: true }))
  const answered = asked.then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof CloisterError || error instanceof HolderGone)) throw error
      return false
    },
  )
  await Promise.race([answered, sleep(GRACE_MS, undefined, { ref: false })])
  if (await goneWithin(owner, GRACE_MS)) return
  send(owner, 'SIGKILL')
  if (await goneWithin(owner, KILLED_MS)) return
  throw new HostError(`Cannot end instance "${record.name}": process ${owner.pid} does not go away.`)
}

function send(owner: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(owner)) return
  try {
    process.kill(owner.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function goneWithin(owner: ProcessIdentity, ms: number): Promise<boolean> {
  for (let waited = 0; waited < ms; waited += LOOK_MS) {
    if (!isAlive(owner)) return true
    await sleep(LOOK_MS)
  }
  return !isAlive(owner)
}
