/** Where the lines of `--trace` go: standard error, or a file of their own. */
import { openSync, writeSync } from 'node:fs'
import { pathFault, UsageError } from './errors.ts'

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
    throw new UsageError(`Cannot write the trace to ${file}: ${pathFault(cause)}.`, {
      hint: 'Name a file in a directory that is there and that you may write, or leave ":FILE" away for standard error.',
      cause,
    })
  }
}
