/**
 * What running costs once it runs: the probe times itself inside, so that no start is in the figures. In a VM a system
 * call ends in the guest's kernel; writing to standard output goes all the way to the host.
 */
import { type Contender, ContenderRefused, type Launcher } from './contender.ts'
import type { Question } from './measurement.ts'
import { timeProcess } from './process-run.ts'
import type { Entrant } from './rounds.ts'

/** Each loop inside runs at least as long. */
const LOOP_MS = 50
const WRITES = 2000

export const SYSCALL_QUESTIONS: readonly Question[] = [
  { id: 'cpu', title: 'One turn of a loop of dependent multiplications', unit: 'ns' },
  { id: 'system-call', title: 'A cheap system call: getppid', unit: 'ns' },
  { id: 'write-null', title: 'A write of 64 bytes to /dev/null', unit: 'ns' },
  { id: 'file-read', title: 'Opening a file, reading 64 bytes, closing it', unit: 'ns' },
  { id: 'write-output', title: 'A write of one byte to standard output, read by a host process', unit: 'ns' },
]

/** Keys of what `probe cost` prints; rootfs/README.md. */
const COSTS = { cpu: 'cpu', 'system-call': 'syscall', 'write-null': 'write', 'file-read': 'read' } as const

export function syscallEntrant(contender: Contender, abort: AbortSignal): Entrant {
  let cost: Launcher | undefined
  let put: Launcher | undefined
  return {
    contender,
    measure: async () => {
      cost ??= contender.prepare(['cost', String(LOOP_MS)])
      put ??= contender.prepare(['put', String(WRITES)])
      const costs = parseCosts((await timeProcess(contender, cost(), abort)).output)
      const { output } = await timeProcess(contender, put(), abort)
      return { ...costs, 'write-output': Number(lastLine(output)) / WRITES }
    },
  }
}

const lastLine = (output: string) => output.trimEnd().split('\n').at(-1)!

function parseCosts(output: string): Record<string, number> {
  try {
    const answer = JSON.parse(lastLine(output)) as Record<string, { operations: number; ns: number }>
    return Object.fromEntries(Object.entries(COSTS).map(([id, key]) => [id, answer[key]!.ns / answer[key]!.operations]))
  } catch {
    throw new ContenderRefused(`the probe answered something else than its costs: ${output.slice(-200)}`)
  }
}
