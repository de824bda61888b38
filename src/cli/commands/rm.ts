/** `cloister rm`: forgets instances that have ended; with `-f` ends them first. */
import { setTimeout as sleep } from 'node:timers/promises'
import { CloisterError, HostError, UsageError } from '../../errors.ts'
import { isAlive, type ProcessIdentity } from '../../instance/process-identity.ts'
import { claimRunRoot } from '../../instance/state-root.ts'
import { InstanceStore } from '../../instance/store.ts'
import { type CommandContext, flag } from '../command.ts'
import { sweepOrphans } from '../sweep.ts'
import { print, printError } from '../terminal.ts'

/** Time for the owner to end its instance and tidy up, before it is killed and the sweep does that. */
const GRACE_MS = 3000
const KILLED_MS = 3000
const POLL_MS = 20

export async function run({ arguments: parsed, log }: CommandContext): Promise<number> {
  const store = new InstanceStore(claimRunRoot())
  const force = flag(parsed, 'force')
  await sweepOrphans(store, log, { quick: false })
  let status = 0
  for (const name of parsed.operands) {
    try {
      await remove(name)
    } catch (error) {
      if (!(error instanceof CloisterError)) throw error
      printError(`cloister: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`)
      status = 1
    }
  }
  return status

  async function remove(name: string): Promise<void> {
    if (!store.has(name)) {
      if (force) return
      throw new UsageError(`Cannot remove instance "${name}": there is none of that name.`, {
        hint: 'See "cloister ps -a".',
      })
    }
    const record = store.read(name)
    if (record?.state.status === 'running' && isAlive(record.state.owner)) {
      if (!force) {
        throw new UsageError(`Cannot remove instance "${name}": it is running.`, {
          hint: `End it with "cloister rm -f ${name}".`,
        })
      }
      store.askForRemoval(name)
      await end(name, record.state.owner)
      await sweepOrphans(store, log, { quick: false })
    }
    store.remove(name)
    print(name)
  }
}

/** Two interrupts are what a foreground `run` takes for "now" (foreground.ts). */
async function end(name: string, owner: ProcessIdentity): Promise<void> {
  for (const signal of ['SIGINT', 'SIGINT'] as const) {
    send(owner, signal)
    await sleep(POLL_MS)
  }
  if (await goneWithin(owner, GRACE_MS)) return
  send(owner, 'SIGKILL')
  if (await goneWithin(owner, KILLED_MS)) return
  throw new HostError(`Cannot end instance "${name}": process ${owner.pid} does not go away.`)
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
  for (let waited = 0; waited < ms; waited += POLL_MS) {
    if (!isAlive(owner)) return true
    await sleep(POLL_MS)
  }
  return !isAlive(owner)
}
