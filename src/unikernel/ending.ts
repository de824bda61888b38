/** How a guest's end reads for its user: the exit status, and a paragraph when it was not the program's own doing. */
import { EXIT } from '../errors.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { EXIT_REASON } from './abi.ts'
import type { ProgramExit } from './control-channel.ts'
import type { KernelLog } from './kernel-log.ts'

/** An end that the guest kernel announced with an EXIT message. */
export function describeExit({ status, reason }: ProgramExit, kernelLog: KernelLog): ExitResult {
  const why = kernelLog.lines().at(-1)
  switch (reason) {
    case EXIT_REASON.notExecutable:
      return { exitCode: EXIT.notExecutable, report: why }
    case EXIT_REASON.notFound:
      return { exitCode: EXIT.notFound, report: why }
    case EXIT_REASON.outOfMemory:
      return { exitCode: EXIT.outOfMemory, outOfMemory: true, report: why }
    default:
      return { exitCode: status, report: status === 0 ? undefined : describeRefusals(kernelLog) }
  }
}

/** A program that failed may have failed for want of a system call; one that succeeded has its standard error to itself. */
function describeRefusals(kernelLog: KernelLog): string | undefined {
  const refused = kernelLog.refusedCalls()
  return refused.length > 0 ? `unikernel: ${refused.join('\n  ')}` : undefined
}

/** An end that the program did not announce. A kernel of the user's own may reset the machine when it is done. */
export function describeEnd(end: MachineEnd, kernelLog: KernelLog, ownKernel: boolean): ExitResult {
  const report = (what: string) => ({
    exitCode: EXIT.cloisterFailed,
    report: [what, ...kernelLog.lines()].join('\n  '),
  })
  switch (end.kind) {
    case 'exitPort':
      return { exitCode: end.value }
    case 'reset':
    case 'powerOff':
      return ownKernel ? report('The guest asked for a reset before its program ended.') : { exitCode: 0 }
    case 'panic':
    case 'died':
      return report(end.report)
    case 'stopped':
      return report('The guest was stopped.')
  }
}
