/** Asks a running instance for a further program, in words for the command line. */
import { printable } from '../archive/printable.ts'
import { execThrough, type RemoteExec } from '../control/exec-client.ts'
import { UsageError } from '../errors.ts'
import type { ExecSpec, GuestTool } from '../instance/exec.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { withControl } from './instances.ts'

/** Said here as well as by the instance: it need not be asked. @throws UsageError */
export function checkHasProcesses({ name, config }: InstanceRecord, action: string): void {
  if (config.spec.isolation !== 'unikernel') return
  throw new UsageError(`Cannot ${action} "${name}": a unikernel runs one process, by design.`, {
    hint: 'For more than one choose --isolation microvm or container.',
  })
}

/** @param work has the streams; the connection ends with it, and the program then too */
export function withExec<T>(
  record: InstanceRecord,
  action: string,
  spec: ExecSpec,
  work: (remote: RemoteExec) => Promise<T>,
): Promise<T> {
  checkHasProcesses(record, action)
  return withControl(record, action, async (client) => {
    return await work(await execThrough(client, spec))
  })
}

/** A program of ours: as root, so that it may read and write all there is inside. */
export const toolSpec = (tool: GuestTool, argv: readonly string[], interactive = false): ExecSpec => ({
  ...{ tool, argv, env: [], cwd: '/', interactive },
  user: { uid: 0, gid: 0 },
})

const SAID_MAX = 64 * 1024

/** What it wrote to standard error, for a message; the end of it where that is long. */
export async function saidBy({ stderr }: RemoteExec): Promise<string> {
  let said = ''
  for await (const bytes of stderr) said = (said + (bytes as Buffer).toString('utf8')).slice(-SAID_MAX)
  return said.split('\n').map(printable).join('\n').trimEnd()
}
