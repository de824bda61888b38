/** `cloister ps`: the instances on record, and what became of them. */
import { basename } from 'node:path'
import { type InstanceRecord, isLive } from '../../instance/record.ts'
import type { RunSpec } from '../../instance/run-spec.ts'
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
  else print(table(records))
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
  from: origin(config.spec),
})

/** The snapshot that it went on from, or the instance that it was cloned from. */
const origin = ({ from }: RunSpec): string | undefined => (from === undefined ? undefined : basename(from))

/** Where none is a clone there is nothing to say about that. */
function table(records: readonly InstanceRecord[]): string {
  const cloned = records.some(({ config }) => config.spec.from !== undefined)
  const head = ['NAME', 'ISOLATION', 'STATUS', 'CREATED', ...(cloned ? ['FROM'] : []), 'COMMAND']
  return renderTable(
    head,
    records.map((record) => asRow(record, cloned)),
  )
}

function asRow({ name, config, state }: InstanceRecord, cloned: boolean): string[] {
  const { spec, createdAt } = config
  const status = state.status === 'exited' ? `exited (${state.exitCode})` : state.status
  const from = cloned ? [origin(spec) ?? '-'] : []
  return [name, spec.isolation, status, age(createdAt), ...from, oneLine(spec.argv.join(' '))]
}
