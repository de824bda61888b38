/** `cloister top`: the processes of an instance, as it sees them itself. */

import { printable, printableJson } from '../../archive/printable.ts'
import { HostError } from '../../errors.ts'
import type { InstanceRecord } from '../../instance/record.ts'
import { type CommandContext, flag } from '../command.ts'
import { liveRecordNamed, openStore, withControl } from '../instances.ts'
import { saidBy, toolSpec, withExec } from '../remote-exec.ts'
import { renderTable } from '../table.ts'
import { print } from '../terminal.ts'

export interface ProcessRow {
  readonly pid: number
  readonly ppid: number
  readonly uid: number
  /** Its name inside, or its number. */
  readonly user: string
  /** One letter. proc_pid_stat(5) */
  readonly state: string
  readonly cpuTimeNs: number
  readonly residentBytes: number
  readonly command: string
}

export async function run(context: CommandContext): Promise<number> {
  const record = liveRecordNamed(await openStore(context), context.arguments.operands[0]!, 'look into')
  const rows = record.config.spec.isolation === 'unikernel' ? await onlyProgram(record) : await processesOf(record)
  if (flag(context.arguments, 'json')) print(printableJson(rows))
  else
    print(
      renderTable(
        HEAD,
        rows.filter(isProcess).map((row) => asRow(isOurs(record, row) ? { ...row, command: OURS } : row)),
      ),
    )
  return 0
}

/** Rows come from inside, perhaps from somebody who means harm: what is no row ends it. */
function parseRows(text: string): ProcessRow[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const row = JSON.parse(line) as ProcessRow
      const { pid, ppid, uid, user, state, cpuTimeNs, residentBytes, command } = row
      const sound =
        [pid, ppid, uid, cpuTimeNs, residentBytes].every((value) => Number.isSafeInteger(value)) &&
        [user, state, command].every((value) => typeof value === 'string')
      if (!sound) throw new SyntaxError('a row is none')
      return { pid, ppid, uid, user, state, cpuTimeNs, residentBytes, command }
    })
    .sort((one, other) => one.pid - other.pid)
}

const OUTPUT_MAX = 16 * 2 ** 20

function processesOf(record: InstanceRecord): Promise<ProcessRow[]> {
  return withExec(record, 'look into', toolSpec('processes', []), async (remote) => {
    const said = saidBy(remote)
    const parts: Buffer[] = []
    let length = 0
    for await (const bytes of remote.stdout) {
      length += (bytes as Buffer).length
      if (length > OUTPUT_MAX) throw unreadable(record, 'it has more processes than can be told')
      parts.push(bytes as Buffer)
    }
    const { exitCode, report } = await remote.result
    if (exitCode !== 0) throw unreadable(record, (await said) || report || 'no reason was given')
    try {
      return parseRows(Buffer.concat(parts).toString('utf8'))
    } catch (cause) {
      throw unreadable(record, 'what it said of itself makes no sense', cause)
    }
  })
}

const unreadable = ({ name }: InstanceRecord, reason: string, cause?: unknown) =>
  new HostError(`Cannot look into instance "${name}": ${reason}.`, { cause })

/** A unikernel has no second process that could look: what its VMM uses is what its program does. */
async function onlyProgram(record: InstanceRecord): Promise<ProcessRow[]> {
  const { argv, program } = record.config.spec
  const { usage } = await withControl(record, 'look into', (client) => client.ask({ verb: 'stats' }))
  const command = argv.length > 0 ? argv.join(' ') : program
  const state = record.state.status === 'paused' ? 'T' : 'R'
  const { cpuTimeNs, memoryBytes } = usage
  return [{ pid: 1, ppid: 0, uid: 0, user: 'root', state, cpuTimeNs, residentBytes: memoryBytes, command }]
}

/** Process 1 of a container is rootfs/init.c, that of a microVM the agent; nobody else can be. */
const isOurs = ({ config }: InstanceRecord, { pid }: ProcessRow) => pid === 1 && config.spec.isolation !== 'unikernel'
const OURS = '(init, of Cloister)'

/** Threads of a guest kernel are children of its process 2. Of other levels nobody is, whoever has that number. */
const isProcess = ({ pid, ppid, residentBytes, command }: ProcessRow) =>
  !((pid === 2 || ppid === 2) && residentBytes === 0 && command.startsWith('['))

const HEAD = ['PID', 'PPID', 'USER', 'STATE', 'CPU TIME', 'MEMORY', 'COMMAND']

const asRow = (row: ProcessRow): string[] => [
  ...[String(row.pid), String(row.ppid), printable(row.user), printable(row.state)],
  `${(row.cpuTimeNs / 1e9).toFixed(2)} s`,
  `${(row.residentBytes / 2 ** 20).toFixed(1)} MiB`,
  printable(row.command),
]
