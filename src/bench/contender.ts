/** One way to run the probe: a level of ours, a peer, or the bare host. Each launch is a whole process. */
import type { ContenderFacts } from './bench-result.ts'

export interface Launch {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Where the process leaves its marks, src/cli/phases-file.ts. */
  readonly marksFile?: string
}

/** What is prepared once, and launched again and again: nothing of the preparation is timed. */
export type Launcher = () => Launch

export interface LaunchOptions {
  /** Whether the probe reads its standard input. */
  readonly input?: boolean
}

export interface Contender extends ContenderFacts {
  /** Status of the process when the probe ended well. */
  readonly success: number
  /** False for a floor that starts something else. */
  readonly runsProbe: boolean
  /** @throws ContenderRefused */
  prepare(probeArguments: readonly string[], options?: LaunchOptions): Launcher
  /** Releases what an interrupted launch may have left. */
  close?(): void
}

/** Why a contender cannot be measured here; the others can. */
export class ContenderRefused extends Error {
  override readonly name = 'ContenderRefused'
}
