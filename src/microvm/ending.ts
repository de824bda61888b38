/** How a microVM's end reads for its user: the program's status, or a paragraph when that was not its own doing. */
import { EXIT } from '../errors.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { MIB } from '../memory/memory-map.ts'
import type { ConsoleLog } from './console-log.ts'

/** What the agent said of the program. */
export function describeExit(exit: ExitResult, memoryBytes: number): ExitResult {
  if (!exit.outOfMemory) return exit
  return { exitCode: EXIT.outOfMemory, outOfMemory: true, report: memoryReport('the program', memoryBytes) }
}

/** The machine has ended, and nobody had said that the program did. */
export function describeEnd(end: MachineEnd, console: ConsoleLog, memoryBytes: number): ExitResult {
  if (console.outOfMemory)
    return { exitCode: EXIT.outOfMemory, outOfMemory: true, report: memoryReport('the guest', memoryBytes) }
  const report = (what: string) => ({
    exitCode: EXIT.cloisterFailed,
    report: [what, ...console.lines()].join('\n  '),
  })
  switch (end.kind) {
    case 'exitPort':
    case 'reset':
    case 'powerOff':
      return report("The guest's kernel ended before its program did.")
    case 'panic':
    case 'died':
      return report(end.report)
    case 'stopped':
      return report('The guest was stopped.')
  }
}

const memoryReport = (who: string, memoryBytes: number) =>
  `Out of memory: ${who} needed more than the ${Math.floor(memoryBytes / MIB)} MiB of the microVM. Give it more with --memory.`
