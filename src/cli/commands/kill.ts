/** `cloister kill`: a signal for the program; SIGKILL ends the instance whatever it does. */
import { constants } from 'node:os'
import { UsageError } from '../../errors.ts'
import { type CommandContext, text } from '../command.ts'
import { forEachNamed, liveRecordNamed, openStore, withControl } from '../instances.ts'

const { SIGKILL } = constants.signals
const SIGNO_MAX = 64

export async function run(context: CommandContext): Promise<number> {
  const signo = parseSignal(text(context.arguments, 'signal') ?? 'KILL')
  const store = await openStore(context)
  return await forEachNamed(context.arguments.operands, async (name) => {
    await withControl(liveRecordNamed(store, name, 'signal'), 'signal', (client) =>
      signo === SIGKILL ? client.ask({ verb: 'kill', removed: false }) : client.ask({ verb: 'signal', signo }),
    )
    return name
  })
}

/** @throws UsageError */
export function parseSignal(asked: string): number {
  const upper = asked.toUpperCase()
  const byName = (constants.signals as Record<string, number>)[upper.startsWith('SIG') ? upper : `SIG${upper}`]
  const signo = byName ?? (/^\d{1,2}$/.test(asked) ? Number(asked) : 0)
  if (signo >= 1 && signo <= SIGNO_MAX) return signo
  throw new UsageError(`Cannot send the signal "${asked}": there is none of that name.`, {
    hint: 'Write -s TERM, -s SIGTERM or -s 15; signal(7) lists them.',
  })
}
