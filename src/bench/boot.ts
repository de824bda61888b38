/**
 * A cold start: from the request, which is the spawn of the process, to everything gone, with the spans between as far
 * as a contender shows them. The program is the probe, which prints when its first instruction ran and ends.
 */
import type { Contender, Launcher } from './contender.ts'
import type { Question } from './measurement.ts'
import { type Timing, timeProcess } from './process-run.ts'
import type { Entrant, Values } from './rounds.ts'

export const BOOT_PROGRAM = ['start']

export const BOOT_QUESTIONS: readonly Question[] = [
  { id: 'total', title: 'From request to everything gone, the whole process', unit: 'ms' },
  { id: 'request-to-program', title: "From request to the program's first instruction", unit: 'ms' },
  { id: 'request-to-output', title: 'From request to the first byte of output', unit: 'ms' },
  { id: 'request-to-ready', title: 'Span 1: from request to VM created, or bundle written', unit: 'ms' },
  { id: 'request-to-process', title: 'Of which from request to the first line of our command', unit: 'ms' },
  { id: 'ready-to-entered', title: "Span 2: from there to the first KVM_RUN, or the runtime's start", unit: 'ms' },
  { id: 'entered-to-program', title: "Span 3: from there to the program's first instruction", unit: 'ms' },
  { id: 'exit-to-gone', title: "Span 4: from the program's exit to everything gone", unit: 'ms' },
]

export function bootEntrant(contender: Contender, abort: AbortSignal): Entrant {
  let launch: Launcher | undefined
  return {
    contender,
    measure: async () => {
      launch ??= contender.prepare(BOOT_PROGRAM)
      return spans(contender, await timeProcess(contender, launch(), abort))
    },
  }
}

/** Whose first instruction reads the host's clock; a VM has one of its own. */
const SHARES_CLOCK = new Set(['container', 'runc', 'crun', 'host'])

function spans({ name, runsProbe }: Contender, timing: Timing): Values {
  const { requested, totalMs, firstOutputMs, marksMs, output } = timing
  const { created, entered, programStarted, exited } = marksMs
  const firstInstruction = SHARES_CLOCK.has(name) ? (lastNumber(output) - Number(requested)) / 1e6 : programStarted
  return present({
    total: totalMs,
    'request-to-program': firstInstruction,
    'request-to-output': runsProbe ? firstOutputMs : undefined,
    'request-to-ready': created,
    'request-to-process': marksMs.process,
    'ready-to-entered': between(created, entered),
    'entered-to-program': between(entered, firstInstruction),
    'exit-to-gone': between(exited, totalMs),
  })
}

const lastNumber = (output: string) => Number(/(\d+)\s*$/.exec(output)?.[1])

const between = (from: number | undefined, to: number | undefined) =>
  from === undefined || to === undefined ? undefined : to - from

const present = (values: Readonly<Record<string, number | undefined>>): Values =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined))
