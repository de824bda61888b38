/** Where the lines of `--trace` go: standard error, or a file of their own. */
import { openSync, writeSync } from 'node:fs'
import { UsageError } from './errors.ts'

const STDERR = 2

/** The file stays open until the process ends: a trace is wanted to the last line. */
export function openTrace(file?: string): (line: string) => void {
  const fd = file === undefined ? STDERR : openFile(file)
  return (line) => {
    try {
      writeSync(fd, `${line}\n`)
    } catch {
      // A reader that went away or a full disk ends the trace, not the guest.
    }
  }
}

function openFile(file: string): number {
  try {
    return openSync(file, 'w', 0o644)
  } catch (cause) {
    throw new UsageError(`Cannot write the trace to ${file}: ${(cause as NodeJS.ErrnoException).code}.`, { cause })
  }
}
