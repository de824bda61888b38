/** How a container ended, read from what its runtime left: exit status, log, memory kills. */
import { EXIT } from '../errors.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { logErrors } from './runtime.ts'

export interface Ending {
  /** Exit status of the runtime, or the signal that ended it. */
  readonly status: number | NodeJS.Signals
  /** Whether the runtime ever started the program. */
  readonly started: boolean
  readonly outOfMemoryKills: number
  readonly runtimeLog: string
  readonly launchLog: string
}

/** Words of runc and crun for a program that cannot be executed. */
const NOT_FOUND =
  /executable file (.* )?not found in \$PATH|exec: ".*": stat .*: no such file|open executable: no such file/i
const NOT_EXECUTABLE =
  /exec: ".*": (permission denied|is a directory)|open executable: permission denied|exec format error/i

export function describeEnd({ name, program, memoryBytes }: RunSpec, ending: Ending): ExitResult {
  const { status, started, outOfMemoryKills } = ending
  if (outOfMemoryKills > 0 && (!started || status === EXIT.outOfMemory)) {
    return {
      exitCode: EXIT.outOfMemory,
      outOfMemory: true,
      report:
        `${program} in "${name}" was killed: it needed more than its memory limit of ${inMib(memoryBytes)}. ` +
        'Give it more with --memory.',
    }
  }
  if (typeof status === 'string') {
    return {
      exitCode: EXIT.cloisterFailed,
      report: `Lost "${name}": its OCI runtime was ended from outside by ${status}.`,
    }
  }
  if (started) return { exitCode: status }
  const reason = failureReason(ending)
  const exitCode = NOT_FOUND.test(reason) ? EXIT.notFound : NOT_EXECUTABLE.test(reason) ? EXIT.notExecutable : undefined
  if (exitCode !== undefined) {
    const words = exitCode === EXIT.notFound ? 'there is no such file in its root.' : 'it is not an executable program.'
    return { exitCode, report: `Cannot run ${program}: ${words}` }
  }
  return { exitCode: EXIT.cloisterFailed, report: `Cannot start container "${name}": ${reason}.` }
}

/** Why the program was never started, in the words of whoever refused. */
export function failureReason({ runtimeLog, launchLog, status }: Ending): string {
  const said = logErrors(runtimeLog).at(-1) ?? launchLog.trim().split('\n').at(-1)
  return said ? said.replace(/\.$/, '') : `the OCI runtime ended with ${status} and said nothing`
}

const inMib = (bytes: number) => `${Number((bytes / 2 ** 20).toFixed(1))} MiB`
