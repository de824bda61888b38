/**
 * The marks of one run, for whoever times it from outside: `CLOISTER_PHASES=FILE` names a file that gets them as
 * JSON, decimal nanoseconds of CLOCK_MONOTONIC, just before the process ends. `compare` and the benchmarks ask so.
 */
import { writeFileSync } from 'node:fs'
import type { Phases } from '../instance/instance.ts'

/** When the first line of the command ran: Node is up and the bundle is loaded. */
const processReady = process.hrtime.bigint()

export function writePhases(phases: Phases, file = process.env.CLOISTER_PHASES): void {
  if (!file) return
  const marks = Object.entries({ process: processReady, ...phases }).map(([name, at]) => [name, String(at)])
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(marks))}\n`)
}
