/** How `--timeout` ends an instance, in the foreground and detached. */
import { formatDurationMs } from '../duration.ts'
import { EXIT } from '../errors.ts'
import type { ExitResult } from './instance.ts'

export const timeLimitOver = (timeoutMs: number): ExitResult => ({
  exitCode: EXIT.timeout,
  report: `The time limit of ${formatDurationMs(timeoutMs)} is over (--timeout): the program was ended.`,
})
