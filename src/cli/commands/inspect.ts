/** `cloister inspect`: all that is on record of instances; `--security`: what stands between them and the host. */
import type { SecurityFinding } from '../../instance/instance.ts'
import { type InstanceRecord, readDescription } from '../../instance/record.ts'
import { type CommandContext, flag } from '../command.ts'
import { openStore, sayFault, unknownInstance } from '../instances.ts'
import { renderTable } from '../table.ts'
import { colouring, print, printError, wantsColour } from '../terminal.ts'

export async function run(context: CommandContext): Promise<number> {
  const { operands } = context.arguments
  const store = await openStore(context)
  const records = operands.map((name) => store.read(name)).filter((record) => record !== undefined)
  const missing = operands.filter((name) => !records.some((record) => record.name === name))
  for (const name of missing) sayFault(unknownInstance(store, name, 'inspect'))
  const status = missing.length > 0 ? 1 : 0
  if (!flag(context.arguments, 'security')) {
    print(JSON.stringify(records.map(asJson), undefined, 2))
    return status
  }
  const findings = records.map((record) => ({
    name: record.name,
    isolation: record.config.spec.isolation,
    security: readDescription(record.directory)?.security ?? [],
  }))
  if (flag(context.arguments, 'json')) print(JSON.stringify(findings, undefined, 2))
  else for (const one of findings) show(one)
  return status
}

const asJson = ({ name, directory, config, state }: InstanceRecord) => ({
  name,
  ...config,
  state,
  directory,
  ...readDescription(directory),
})

interface Findings {
  readonly name: string
  readonly isolation: string
  readonly security: readonly SecurityFinding[]
}

function show({ name, isolation, security }: Findings): void {
  if (security.length === 0) {
    printError(`cloister: Nothing is on record of what guarded "${name}": it ended within its first moments.`)
    return
  }
  const paint = colouring(wantsColour(process.stdout.isTTY === true))
  const colours = { on: 'green', partial: 'yellow', off: 'red' } as const
  print(`${name} (${isolation})`)
  const lines = renderTable(
    ['BETWEEN IT AND THE HOST', 'STATE', 'FOUND'],
    security.map(({ topic, state, detail }) => [topic, state, detail]),
  )
  const coloured = lines.replace(
    / {2}(on|partial|off) /g,
    (_, state: keyof typeof colours) => `  ${paint(colours[state], state)} `,
  )
  print(coloured)
}
