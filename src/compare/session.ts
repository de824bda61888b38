/** What every part of a comparison is given: whom to compare, how large, whom to tell, and when to stop. */
import { type Compared, runOptions } from './compared.ts'

export interface Session {
  readonly levels: readonly Compared[]
  readonly memoryBytes: number
  /** Told what is being measured, for people who wait: the part, then its steps. */
  readonly progress: (part: string, step?: string) => void
  /** Ends the comparison and all that it started. */
  readonly abort: AbortSignal
}

/** Options of `run` for an instance of ours. */
export const instanceArgs = (level: Compared, memoryBytes: number): string[] => [
  '--rm',
  ...runOptions(level),
  '--memory',
  String(memoryBytes),
]
