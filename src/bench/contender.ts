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

/** A guest kernel that puts load on a device and prints figures, instead of the probe. */
export interface GuestLoad {
  /** ELF file with a PVH entry that speaks our ABI, or takes its arguments behind " -- " of its command line. */
  readonly kernel: string
  readonly args: readonly string[]
  /** Of the kernel, in front of " -- ". */
  readonly bootOptions?: readonly string[]
  /** A raw image, written to. */
  readonly disk?: string
  /** A tap of the host that nobody else has open. */
  readonly tap?: string
}

export interface Contender extends ContenderFacts {
  /** Status of the process when the probe ended well. */
  readonly success: number
  /** False for a floor that starts something else. */
  readonly runsProbe: boolean
  /** @throws ContenderRefused */
  prepare(probeArguments: readonly string[], options?: LaunchOptions): Launcher
  /** Only of what runs kernels of ours on devices of its own. */
  prepareLoad?(load: GuestLoad): Launcher
  /** The same with another way to a disk, where it depends on the transfer which is quicker. */
  readonly otherDisk?: Contender
  /** Releases what an interrupted launch may have left. */
  close?(): void
}

/** Why a contender cannot be measured here; the others can. */
export class ContenderRefused extends Error {
  override readonly name = 'ContenderRefused'
}
