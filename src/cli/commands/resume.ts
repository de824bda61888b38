/** `cloister resume`: paused instances go on. */
import type { CommandContext } from '../command.ts'
import { forEachNamed, liveRecordNamed, openStore, withControl } from '../instances.ts'

export async function run(context: CommandContext): Promise<number> {
  const store = await openStore(context)
  return await forEachNamed(context.arguments.operands, async (name) => {
    await withControl(liveRecordNamed(store, name, 'resume'), 'resume', (client) => client.ask({ verb: 'resume' }))
    return name
  })
}
