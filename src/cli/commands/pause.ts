/** `cloister pause`: instances stand still, their memory stays. */
import type { CommandContext } from '../command.ts'
import { forEachNamed, liveRecordNamed, openStore, withControl } from '../instances.ts'

export async function run(context: CommandContext): Promise<number> {
  const store = await openStore(context)
  return await forEachNamed(context.arguments.operands, async (name) => {
    await withControl(liveRecordNamed(store, name, 'pause'), 'pause', (client) => client.ask({ verb: 'pause' }))
    return name
  })
}
