/** What the process that holds an instance has to say itself: `holder.log` in the instance's directory. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { duplicate } from '../../kvm-bindings/ffi.ts'

const FILE = 'holder.log'
const STDOUT = 1
const STDERR = 2
/** A guest may make us log: not without end. */
const SIZE_MAX = 1 << 20

/** From here on standard output and error are that file. @returns what writes a line of log to it */
export function openOwnLog(directory: string): (line: string) => void {
  const fd = openSync(join(directory, FILE), 'a', 0o600)
  for (const stream of [STDOUT, STDERR]) duplicate(fd, stream)
  closeSync(fd)
  return boundedWriter((line) => writeSync(STDERR, line), SIZE_MAX)
}

/** Passes lines on until that many characters are written; one that the disk has no room for is lost, and no fault. */
export function boundedWriter(write: (line: string) => unknown, max: number): (line: string) => void {
  let size = 0
  return (line) => {
    size += line.length
    if (size > max) return
    try {
      write(line)
    } catch {
      // A line of log is not worth an instance.
    }
  }
}
