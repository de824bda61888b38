/** `cloister ps`: the instances on record, and what became of them. */
import { type InstanceRecord, isLive } from '../../instance/record.ts'
import { age, oneLine } from '../cells.ts'
import { type CommandContext, flag } from '../command.ts'
import { openStore } from '../instances.ts'
import { renderTable } from '../table.ts'
import { print } from '../terminal.ts'

export async function run(context: CommandContext): Promise<number> {
  const { arguments: parsed } = context
  const store = await openStore(context)
  const records = store.list().filter(({ state }) => flag(parsed, 'all') || isLive(state))
  if (flag(parsed, 'quiet')) for (const { name } of records) print(name)
  else if (flag(parsed, 'json')) print(JSON.stringify(records.map(asJson), undefined, 2))
  else print(renderTable(['NAME', 'ISOLATION', 'STATUS', 'CREATED', 'COMMAND'], records.map(asRow)))
  return 0
}

const asJson = ({ name, config, state }: InstanceRecord) => ({
  name,
  isolation: config.spec.isolation,
  status: state.status,
  exitCode: state.exitCode,
  report: state.report,
  detached: config.detached,
  pid: isLive(state) ? state.owner.pid : undefined,
  createdAt: config.createdAt,
  finishedAt: state.finishedAt,
  command: config.spec.argv,
  memoryBytes: config.spec.memoryBytes,
  cpus: config.spec.cpus,
})

function asRow({ name, config, state }: InstanceRecord): string[] {
  const status = state.status === 'exited' ? `exited (${state.exitCode})` : state.status
  return [name, config.spec.isolation, status, age(config.createdAt), oneLine(config.spec.argv.join(' '))]
}
