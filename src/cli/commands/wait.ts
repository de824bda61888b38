/** `cloister wait`: until instances have ended; prints their exit statuses. */
import { connectControl, HolderGone } from '../../control/client.ts'
import { EXIT } from '../../errors.ts'
import { type InstanceRecord, isLive } from '../../instance/record.ts'
import type { CommandContext } from '../command.ts'
import { forEachNamed, openStore, recordNamed } from '../instances.ts'

export async function run(context: CommandContext): Promise<number> {
  const { operands } = context.arguments
  const store = await openStore(context)
  // All at once: the record of one that comes late may be gone by then (--rm).
  return await forEachNamed(operands, waitFor, operands.length)

  async function waitFor(name: string): Promise<string> {
    const record = recordNamed(store, name, 'wait for')
    return String(isLive(record.state) ? await ending(record) : (record.state.exitCode ?? EXIT.cloisterFailed))
  }

  async function ending(record: InstanceRecord): Promise<number> {
    try {
      const client = await connectControl(record)
      const { result } = await client.ask({ verb: 'wait' })
      client.close()
      return result.exitCode
    } catch (error) {
      if (!(error instanceof HolderGone)) throw error
      // Its process died without a word, or the record tells what it could not tell us any more.
      await openStore(context)
      return store.read(record.name)?.state.exitCode ?? EXIT.cloisterFailed
    }
  }
}
