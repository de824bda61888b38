/** `cloister update`: running instances get another memory limit, or their guests are asked to live with another amount. */
import { UsageError } from '../../errors.ts'
import { type CommandContext, text } from '../command.ts'
import { forEachNamed, liveRecordNamed, openStore, withControl } from '../instances.ts'
import { parseMemory } from '../run-request.ts'

export async function run(context: CommandContext): Promise<number> {
  const asked = text(context.arguments, 'memory')
  if (asked === undefined) {
    throw new UsageError('Cannot update anything: nothing is said to change.', { hint: 'Say --memory SIZE.' })
  }
  const memoryBytes = parseMemory(asked)
  const store = await openStore(context)
  return await forEachNamed(context.arguments.operands, async (name) => {
    const record = liveRecordNamed(store, name, 'update')
    await withControl(record, 'update', (client) => client.ask({ verb: 'update', memoryBytes }))
    return name
  })
}
