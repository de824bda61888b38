/**
 * Which process, for certain: a pid alone may have been given to another process since, pid plus start time not.
 */
import { readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: clock ticks since boot (proc(5)). */
  readonly startTime: string
}

/** The state (field 3) and start time (field 22) of a process; undefined when there is none. */
function readStat(pid: number | 'self'): { state: string; startTime: string } | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The command name, field 2, is in parentheses and may hold spaces and parentheses itself: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' }
}

export const ownIdentity = (): ProcessIdentity => ({ pid: process.pid, startTime: readStat('self')?.startTime ?? '' })

/** A zombie has ended: nobody collected it yet, but it holds nothing any more. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readStat(pid)
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X'
}

/** Undefined when there is no such process. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid)
  return stat && { pid, startTime: stat.startTime }
}
