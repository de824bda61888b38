/** `cloister stats`: what instances use of the host, measured between two looks. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ControlClient, connectControl, HolderGone } from '../../control/client.ts'
import type { StatsAnswer } from '../../control/protocol.ts'
import { type InstanceRecord, isLive } from '../../instance/record.ts'
import type { InstanceStore } from '../../instance/store.ts'
import { type CommandContext, flag } from '../command.ts'
import { liveRecordNamed, openStore } from '../instances.ts'
import { renderTable } from '../table.ts'
import { print } from '../terminal.ts'

const LOOK_MS = 250
const FOLLOW_MS = 1000

interface Watched {
  readonly record: InstanceRecord
  readonly client: ControlClient
  last: StatsAnswer
}

export interface InstanceStats {
  readonly name: string
  readonly isolation: string
  readonly status: string
  /** Per cent of one processor. */
  readonly cpuPercent: number
  readonly cpuTimeNs: number
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  readonly tasks: number
  readonly exits?: number
}

export async function run(context: CommandContext): Promise<number> {
  const { operands } = context.arguments
  const [json, follow] = [flag(context.arguments, 'json'), flag(context.arguments, 'follow')]
  const store = await openStore(context)
  const records =
    operands.length > 0
      ? operands.map((name) => liveRecordNamed(store, name, 'measure'))
      : store.list().filter(({ state }) => isLive(state))
  let watched = await present(records.map(watch))
  do {
    await sleep(follow ? FOLLOW_MS : LOOK_MS)
    const rows = await present(watched.map((one) => look(one, store)))
    watched = watched.filter(({ record }) => rows.some(({ name }) => name === record.name))
    if (!json) print(renderTable(HEAD, rows.map(asRow)))
    else print(JSON.stringify(rows, undefined, follow ? undefined : 2))
  } while (follow && watched.length > 0)
  for (const { client } of watched) client.close()
  return 0
}

/** Those that ended meanwhile are left out. */
async function present<T>(asked: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(asked)
  return settled.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [outcome.value]
    if (outcome.reason instanceof HolderGone) return []
    throw outcome.reason
  })
}

async function watch(record: InstanceRecord): Promise<Watched> {
  const client = await connectControl(record)
  return { record, client, last: await client.ask({ verb: 'stats' }) }
}

async function look(one: Watched, store: InstanceStore): Promise<InstanceStats> {
  const { record, client, last } = one
  const { usage, atNs } = await client.ask({ verb: 'stats' })
  one.last = { usage, atNs }
  return {
    name: record.name,
    isolation: record.config.spec.isolation,
    // It may have been paused since.
    status: (store.read(record.name) ?? record).state.status,
    cpuPercent: Number(((100 * (usage.cpuTimeNs - last.usage.cpuTimeNs)) / (atNs - last.atNs)).toFixed(2)),
    ...usage,
  }
}

const HEAD = ['NAME', 'ISOLATION', 'STATUS', 'CPU %', 'CPU TIME', 'MEMORY', 'LIMIT', 'TASKS', 'EXITS']
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

const asRow = (stats: InstanceStats): string[] => [
  stats.name,
  stats.isolation,
  stats.status,
  stats.cpuPercent.toFixed(1),
  `${(stats.cpuTimeNs / 1e9).toFixed(2)} s`,
  mib(stats.memoryBytes),
  mib(stats.memoryLimitBytes),
  String(stats.tasks),
  stats.exits === undefined ? '-' : String(stats.exits),
]
