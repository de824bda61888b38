/** How a container ended, read from what its runtime left: exit status, log, memory kills. */
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { EXIT } from '../errors.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { InitReport } from './init.ts'
import { logErrors } from './runtime.ts'

export interface Ending {
  /** Exit status of the runtime, or the signal that ended it. */
  readonly status: number | NodeJS.Signals
  /** What init said; undefined when the runtime never got that far. */
  readonly report: InitReport | undefined
  readonly outOfMemoryKills: number
  readonly runtimeLog: string
  readonly launchLog: string
}

export function describeEnd({ name, program, memoryBytes }: RunSpec, ending: Ending): ExitResult {
  const { status, report, outOfMemoryKills } = ending
  const started = report?.error === 0
  if (outOfMemoryKills > 0 && (!started || status === EXIT.outOfMemory)) {
    return {
      exitCode: EXIT.outOfMemory,
      outOfMemory: true,
      report:
        `${program} in "${name}" was killed: it needed more than its memory limit of ${inMib(memoryBytes)}. ` +
        'Give it more with --memory.',
    }
  }
  const killer = killerOfRuntime(ending)
  if (killer !== undefined) {
    return {
      exitCode: EXIT.cloisterFailed,
      report: `Lost "${name}": its OCI runtime was ended from outside by ${killer}.`,
    }
  }
  if (started) return { exitCode: Number(status) }
  if (report && report.of === 'execve') return refusedStart(program, report.error)
  const reason = report ? `its process 1 failed with ${errorName(report.error)}` : failureReason(ending)
  return { exitCode: EXIT.cloisterFailed, report: `Cannot start container "${name}": ${reason}.` }
}

/**
 * The signal that ended the runtime or one of those that wait for it. When its child is killed, unshare tries to end by
 * the same signal, which SIGKILL does not let it prepare: it complains, and says 1.
 */
function killerOfRuntime({ status, report, launchLog }: Ending): string | undefined {
  if (typeof status === 'string') return status
  return status === 1 && report?.error === 0 && /^unshare: /m.test(launchLog) ? 'SIGKILL' : undefined
}

/** A program that the kernel did not start. */
export function refusedStart(program: string, error: number): ExitResult {
  const { exitCode, words } = refusal(error)
  return { exitCode, report: `Cannot run ${program}: ${words}.` }
}

/** What a shell makes of a failed execve. execve(2) */
function refusal(error: number): { exitCode: number; words: string } {
  const { ENOENT, EACCES, ENOEXEC, E2BIG } = constants.errno
  if (error === ENOENT) return { exitCode: EXIT.notFound, words: 'there is no such file in its root' }
  const exitCode = EXIT.notExecutable
  if (error === EACCES) return { exitCode, words: 'it may not be executed' }
  if (error === ENOEXEC) return { exitCode, words: 'it is not an executable program' }
  if (error === E2BIG) return { exitCode, words: 'its arguments and environment are too long' }
  return { exitCode, words: `the kernel refused it with ${errorName(error)}` }
}

export const errorName = (error: number): string => getSystemErrorName(-error)

/** Why the program was never started, in the words of whoever refused. */
export function failureReason({ runtimeLog, launchLog, status }: Ending): string {
  const said = logErrors(runtimeLog).at(-1) ?? launchLog.trim().split('\n').at(-1)
  return said ? said.replace(/\.$/, '') : `the OCI runtime ended with ${status} and said nothing`
}

export const inMib = (bytes: number) => `${Number((bytes / 2 ** 20).toFixed(1))} MiB`
