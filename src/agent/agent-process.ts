/** A program to be started in a guest: what START says of it, and what its failing means. */
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { type CloisterError, EXIT, GuestError, UsageError } from '../errors.ts'
import type { TerminalSize } from '../instance/instance.ts'
import type { Started } from './messages.ts'
import { SESSION, START_MAX, STEP } from './protocol.ts'
import { PayloadWriter } from './wire.ts'

/** Node does not name it. errno(3) */
const ESHUTDOWN = 108

export interface AgentProcess {
  /** When it ends, everything else is killed and the disks are brought up to date before its end is said. */
  readonly main?: boolean
  /** argv[0] names a tool of the agent's instead of a file. */
  readonly tool?: boolean
  readonly argv: readonly string[]
  /** The file, when it is not argv[0]; looked up in PATH when it has no slash. */
  readonly program?: string
  /** `K=V` strings. */
  readonly env: readonly string[]
  readonly cwd: string
  /** Root unless said. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly groups?: readonly number[] }
  /** Whether there is anything to be read from its standard input. */
  readonly interactive: boolean
  /** A terminal of its own, as large as this. */
  readonly tty?: TerminalSize
}

/** @param window bytes that each of its two output streams may send */
export function encodeStart(process: AgentProcess, window: number): Buffer {
  const { argv, env, cwd, program = '', tty, user } = process
  const groups = user?.groups ?? []
  const flags =
    (process.main ? SESSION.main : 0) |
    (tty ? SESSION.tty : 0) |
    (process.tool ? SESSION.tool : 0) |
    (process.interactive ? SESSION.stdin : 0)
  const writer = new PayloadWriter().u16(flags).u16(clamp(tty?.cols)).u16(clamp(tty?.rows)).u32(window).u32(window)
  writer
    .u32(user?.uid ?? 0)
    .u32(user?.gid ?? 0)
    .u16(groups.length)
  for (const group of groups) writer.u32(group)
  if (argv.length > 0xffff || env.length > 0xffff) throw tooLong(process)
  writer.u16(argv.length).u16(env.length).text(cwd).text(program)
  for (const text of argv) writer.text(text)
  for (const text of env) writer.text(text)
  const bytes = writer.end()
  if (bytes.length > START_MAX) throw tooLong(process)
  return bytes
}

const clamp = (size: number | undefined) => Math.min(size ?? 0, 0xffff)

const tooLong = ({ argv, program = argv[0] ?? '' }: AgentProcess) =>
  new UsageError(`Cannot run ${program}: its arguments and environment are too long.`, { exitCode: EXIT.notExecutable })

/** What STARTED means to whoever asked; undefined when it runs. */
export function startFailure(
  { argv, program = argv[0] ?? '', cwd, user }: AgentProcess,
  { error, step }: Started,
): CloisterError | undefined {
  if (error === 0) return undefined
  const { ENOENT, ENOTDIR, EACCES, ENOEXEC, E2BIG, ECANCELED } = constants.errno
  const refused = (reason: string, exitCode: number) =>
    new UsageError(`Cannot run ${program}: ${reason}.`, { exitCode })
  const name = errnoName(error)
  if (step === STEP.execute) {
    if (error === ENOENT || error === ENOTDIR) return refused('there is no such file in its root', EXIT.notFound)
    if (error === EACCES) return refused('it may not be executed', EXIT.notExecutable)
    if (error === ENOEXEC) return refused('it is not an executable program', EXIT.notExecutable)
    if (error === E2BIG) return refused('its arguments and environment are too long', EXIT.notExecutable)
    return refused(`the kernel refused it with ${name}`, EXIT.notExecutable)
  }
  if (step === STEP.directory) {
    const why = error === ENOENT ? 'there is none in its root' : `the kernel gave ${name}`
    return refused(`its working directory cannot be ${cwd}: ${why}`, EXIT.cloisterFailed)
  }
  if (step === STEP.user) return refused(`it cannot be user ${user?.uid}: the kernel gave ${name}`, EXIT.cloisterFailed)
  if (step === STEP.state && error === ESHUTDOWN) return refused('the instance is ending', EXIT.cloisterFailed)
  const why = step === STEP.state && error === ECANCELED ? 'its guest is not configured' : `its guest gave ${name}`
  return new GuestError(`Cannot run ${program}: ${why}.`)
}

/** The guest's errno, in the names of the host: both are Linux on x86-64. */
export function errnoName(error: number): string {
  try {
    return getSystemErrorName(-error)
  } catch {
    return `error ${error}`
  }
}
