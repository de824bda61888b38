/** `cloister stop`: programs are asked to end, and ended when they do not. */
import { type CommandContext, text } from '../command.ts'
import { forEachNamed, liveRecordNamed, openStore, withControl } from '../instances.ts'
import { parseDurationMs } from '../quantities.ts'

const DEFAULT_GRACE = '10s'

export async function run(context: CommandContext): Promise<number> {
  const graceMs = parseDurationMs(text(context.arguments, 'time') ?? DEFAULT_GRACE)
  const store = await openStore(context)
  return await forEachNamed(context.arguments.operands, async (name) => {
    await withControl(liveRecordNamed(store, name, 'stop'), 'stop', (client) => client.ask({ verb: 'stop', graceMs }))
    return name
  })
}
