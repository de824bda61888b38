/** What one process uses, as /proc/PID counts it. proc_pid_stat(5), proc_pid_smaps(5) */
import { readFileSync } from 'node:fs'

/** USER_HZ, the unit of times in /proc/PID/stat: 100 a second on every x86-64 Linux. time(7) */
const NS_PER_TICK = 1e9 / 100

/** Processor time of all its threads, also the ended ones; 0 when it is gone. */
export function cpuTimeNs(pid: number | 'self'): number {
  // Fields 14 and 15, utime and stime, counted from the end of the name in parentheses.
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * NS_PER_TICK
}

/** Memory that no other process shares, swapped out or not; 0 when it is gone. */
export function privateBytes(pid: number | 'self'): number {
  const text = read(`/proc/${pid}/smaps_rollup`)
  return [...text.matchAll(/^(?:Private_\w+|Swap): +(\d+) kB/gm)].reduce((sum, [, kib]) => sum + Number(kib), 0) * 1024
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
