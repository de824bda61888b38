/** `cloister events`: what happened to instances, so far or as it happens. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { InstanceEvent } from '../../instance/events.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { openStore } from '../instances.ts'
import { parseMoment } from '../quantities.ts'
import { print } from '../terminal.ts'

const LOOK_MS = 200

export async function run(context: CommandContext): Promise<number> {
  const { operands } = context.arguments
  const since = text(context.arguments, 'since')
  const from = since === undefined ? '' : parseMoment(since).toISOString()
  const store = await openStore(context)
  const shown = new Set(operands)
  const wanted = ({ instance, time }: InstanceEvent) => time >= from && (shown.size === 0 || shown.has(instance))
  const say = flag(context.arguments, 'json') ? (event: InstanceEvent) => print(JSON.stringify(event)) : sayPlainly

  let seen = new Set<string>()
  for (;;) {
    const events = store.events.read()
    for (const event of events) {
      if (wanted(event) && !seen.has(keyOf(event))) say(event)
    }
    if (!flag(context.arguments, 'follow')) return 0
    seen = new Set(events.map(keyOf))
    await sleep(LOOK_MS)
  }
}

const keyOf = (event: InstanceEvent): string => JSON.stringify(event)

function sayPlainly({ time, type, instance, isolation, exitCode, signal, snapshot }: InstanceEvent): void {
  const facts = [
    isolation,
    exitCode === undefined ? undefined : `exit status ${exitCode}`,
    signal === undefined ? undefined : `signal ${signal}`,
    snapshot,
  ]
  const known = facts.filter((fact) => fact !== undefined)
  print(`${time}  ${type.padEnd(7)} ${instance}${known.length > 0 ? `  (${known.join(', ')})` : ''}`)
}
