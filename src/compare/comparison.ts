/**
 * What a comparison found, as `cloister compare --json` prints it: docs/comparison.md explains every field. Units are in
 * the names; samples stand beside their summaries, so that a reader can draw and judge them. A part that was not asked
 * for is absent, and nothing in here is ever filled in: what could not be measured is null or absent, with a reason.
 */
import type { Isolation } from '../instance/run-spec.ts'
import type { Compared } from './compared.ts'
import type { HostFacts } from './host-facts.ts'

export const SCHEMA = 'cloister.compare/3'

/** In the order in which they are measured and shown. */
export const PARTS = ['time', 'memory', 'density', 'cost', 'isolation', 'neighbours'] as const
export type Part = (typeof PARTS)[number]

export interface Comparison {
  readonly schema: typeof SCHEMA
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** How long the whole comparison took. */
  readonly tookMs: number
  readonly host: HostFacts
  /** What follows `cloister run [OPTIONS]`. */
  readonly command: readonly string[]
  /** Memory of each instance: guest memory of a VM, limit of a container. */
  readonly memoryBytes: number
  readonly parts: readonly Part[]
  /** The levels that ran, in the order asked for; the first is what ratios between levels refer to. */
  readonly levels: readonly Compared[]
  readonly unavailable: readonly UnavailableLevel[]
  /** Parts that were begun and could not be measured; absent when there are none. */
  readonly failed?: readonly FailedPart[]
  readonly time?: TimeComparison
  readonly memory?: MemoryComparison
  readonly density?: DensityComparison
  readonly cost?: CostComparison
  readonly isolation?: IsolationComparison
  readonly neighbours?: NeighbourComparison
}

/** A level that did not get as far as the program. */
export interface UnavailableLevel {
  readonly isolation: Compared
  readonly reason: string
}

export interface FailedPart {
  readonly part: Part
  readonly reason: string
}

/** One value a level; a level that could not be measured has none. */
export type PerLevel<T> = Readonly<Partial<Record<Compared, T>>>

/** In the unit of the field that holds it. Every figure is one of the measured values (nearest rank). */
export interface Spread {
  readonly count: number
  readonly min: number
  readonly median: number
  /** From 20 values on; below that it would be the maximum by another name. */
  readonly p95?: number
  readonly max: number
}

/** Of pairs taken one right after the other; without unit. */
export interface Ratio {
  readonly min: number
  readonly median: number
  readonly max: number
}

// ---- time ----

/** Moments of a run, in milliseconds since the request, which is the spawn of `cloister run`. */
export const MARKS = [
  /** The first line of the command runs. */
  'process',
  /** VMM ready: the VM and its devices exist. Runtime ready: the bundle is written. */
  'ready',
  /** First KVM_RUN; the OCI runtime was started. */
  'entered',
  /** The guest kernel asked for its program; containers have no such moment. */
  'kernelReady',
  /** The program is about to run its first instruction. */
  'program',
  /** The first byte of the program's output arrived outside. */
  'firstOutput',
  /** The end of the program is known. */
  'exit',
  /** The command has ended: memory, processes, mounts, control groups are gone. */
  'gone',
] as const
export type Mark = (typeof MARKS)[number]

/** `requestToReady` to `exitToGone` follow each other without a gap and add up to `whole`. */
export const SPANS = [
  'requestToReady',
  'readyToEntered',
  'enteredToProgram',
  'programToExit',
  'exitToGone',
  /** From the request to the program's first output byte. */
  'requestToFirstOutput',
  /** From the request to everything gone. */
  'whole',
] as const
export type Span = (typeof SPANS)[number]

export interface TimeComparison {
  /** Counted runs that were asked for of each level; each ran once more before, to warm up. */
  readonly runs: number
  readonly levels: PerLevel<TimeOfLevel>
  /** Whether every run at every level printed the same bytes and ended with the same status. */
  readonly sameOutcome: boolean
}

export interface TimeOfLevel {
  /**
   * In the order they ran: run n of this level was followed by run n of the next one. A level that takes long has fewer
   * of them, where the number of runs was not named.
   */
  readonly samples: readonly TimeSample[]
  readonly spansMs: Readonly<Partial<Record<Span, Spread>>>
  /** The same span of the first level divides, run by run; the first level has none. */
  readonly ratios?: Readonly<Partial<Record<Span, Ratio>>>
  /** Of the last run. */
  readonly exitCode: number
  readonly outputBytes: number
  /** sha256 of the program's standard output, hexadecimal. */
  readonly outputDigest: string
  /** The end of standard error, when the status was not 0. */
  readonly errors?: string
}

export interface TimeSample {
  /** A mark that this level or this run does not show is absent. */
  readonly marksMs: Readonly<Partial<Record<Mark, number>>>
  readonly spansMs: Readonly<Partial<Record<Span, number>>>
  readonly exitCode: number
  readonly outputBytes: number
  readonly outputDigest: string
}

// ---- memory and density ----

/** Straight line through (instances, bytes) by least squares. */
export interface Slope {
  readonly bytesPerInstance: number
  /** What the line says for no instance at all. */
  readonly interceptBytes: number
  /** Of bytesPerInstance; null with fewer than three points. */
  readonly standardErrorBytes: number | null
}

/** Sums over all processes of all instances that rested at that moment. */
export interface MemoryPoint {
  readonly instances: number
  /** Pages of no other process: Private_Clean + Private_Dirty of /proc/PID/smaps_rollup. */
  readonly privateBytes: number
  /** Pss: shared pages counted in equal parts to those who map them. */
  readonly proportionalBytes: number
  /** The host's own view: how much MemAvailable has fallen since before the first instance. Kernel memory included. */
  readonly hostBytes: number
  /** Host processes of these instances. */
  readonly processes: number
}

export interface MemoryComparison {
  /** How far MemAvailable wandered while nothing was started: largest less smallest of the readings. */
  readonly hostNoiseBytes: number
  readonly levels: PerLevel<MemoryOfLevel>
}

export interface MemoryOfLevel {
  /** By instances, rising. */
  readonly points: readonly MemoryPoint[]
  /** What one more instance costs. */
  readonly further: {
    readonly privateBytes: Slope
    readonly proportionalBytes: Slope
    /** The cross-check: noisy, since everything on the host moves it. */
    readonly hostBytes: Slope
  }
  readonly processesPerInstance: number
}

export interface DensityComparison {
  /** MemAvailable before the first instance. */
  readonly availableBytes: number
  /** Kept free: neither measured into nor counted as room. */
  readonly reserveBytes: number
  readonly levels: PerLevel<DensityOfLevel>
}

export interface DensityOfLevel {
  readonly points: readonly MemoryPoint[]
  /** How many really ran at once. */
  readonly measured: number
  /** Why no more were started: the slope was known well enough, or a cap was reached. */
  readonly stoppedBy: 'slope' | 'count' | 'time' | 'memory'
  /** What a further instance takes: the host's view where that is known well, the proportional share where not. */
  readonly basis: 'host' | 'proportional'
  readonly slope: Slope
  /** Extrapolated: how many fit in `availableBytes` less `reserveBytes`, by memory alone. */
  readonly fits: number
  /** The same with the slope two standard errors larger and smaller. */
  readonly fitsLow: number
  readonly fitsHigh: number
}

// ---- run cost ----

export interface CostComparison {
  readonly workloads: readonly CostOfWorkload[]
}

/** The same static program, run directly on the host and at each level, interleaved; it times itself. */
export interface CostOfWorkload {
  readonly name: 'cpu' | 'syscall' | 'write' | 'read'
  /** In words: what one operation is. */
  readonly operation: string
  /** Every sample repeats the operation for at least so long. */
  readonly sampleMs: number
  readonly host: CostOfLevel
  readonly levels: PerLevel<CostOfLevel & { /** To the host, sample by sample. */ readonly ratio: Ratio }>
}

export interface CostOfLevel {
  /** Nanoseconds an operation, in the order they were taken. */
  readonly samplesNs: readonly number[]
  readonly ns: Spread
}

// ---- isolation ----

export interface IsolationComparison {
  readonly findings: readonly IsolationFinding[]
  readonly systemCalls: PerLevel<SystemCallSurface>
}

export interface IsolationFinding {
  readonly question: string
  /** What each level promises, however it is started. */
  readonly expected: Readonly<Record<Isolation, string>>
  readonly seen: PerLevel<Seen>
}

export interface Seen {
  /** In words. */
  readonly text: string
  readonly asExpected: boolean
}

/** Which system calls reach the host's kernel: what the policy lets through, and what was seen under load. */
export interface SystemCallSurface {
  /** Made by the program itself. */
  readonly program: CallsOfParty
  /** Made by the processes around it: VMM, OCI runtime, our command. */
  readonly around: CallsOfParty
}

export interface CallsOfParty {
  /** How many the policy lets through; null where no filter stands: all that the host's kernel has. */
  readonly allowed: number | null
  /** In words: what says so. */
  readonly policy: string
  /** Seen by strace, attached while the load ran; null when it could not be had, with the reason in `notTracedBecause`. */
  readonly traced: TracedCalls | null
  readonly notTracedBecause?: string
}

export interface TracedCalls {
  /** How long they were traced while the load ran inside. */
  readonly tracedMs: number
  /** Host processes (threads not counted) that were traced. */
  readonly processes: number
  /** Distinct calls that reached the host meanwhile. */
  readonly distinct: number
  /** Most frequent first. */
  readonly calls: readonly { readonly name: string; readonly count: number; readonly errors: number }[]
}

// ---- neighbours ----

export const ATTACKS = ['forkBomb', 'memoryHog', 'cpuHog', 'kernelCrash'] as const
export type Attack = (typeof ATTACKS)[number]

export interface NeighbourComparison {
  readonly trials: readonly NeighbourTrial[]
}

/** An attacker beside a neighbour of the same level, which counts how much of a steady work it gets done. */
export interface NeighbourTrial {
  readonly attack: Attack
  /** In words: what the attacker does. */
  readonly does: string
  readonly levels: PerLevel<NeighbourOutcome | AttackNotTried>
}

/** With the reason: a container has no kernel of its own to crash, and the host's is not crashed for a table. */
export interface AttackNotTried {
  readonly tried: false
  readonly reason: string
}

export interface NeighbourOutcome {
  readonly tried: true
  /** The neighbour's work, as it reported it; time since its first report. */
  readonly samples: readonly RateSample[]
  /** When the attacker was asked for, and when it was gone, on the same clock. */
  readonly attackFromMs: number
  readonly attackToMs: number
  /** Median rates of each phase, work units per second; null when it made no report in it. */
  readonly rate: { readonly before: number | null; readonly during: number | null; readonly after: number | null }
  /** The neighbour was alive to the end and was still working. */
  readonly survived: boolean
  /** The attacker kept within its limits, nothing of it is left, and the host has its memory back. */
  readonly hostIntact: boolean
  /** Of the attacker, at most: its host processes, and their memory (Pss). */
  readonly peak: { readonly processes: number; readonly proportionalBytes: number }
  readonly attacker: {
    /** Exit status of its `cloister run`. */
    readonly exitCode: number
    /** False: it was still at it when its time was over, and was ended. */
    readonly endedByItself: boolean
    /** The last line that it printed, as far as it got. */
    readonly said: string
    /** What Cloister said of its end, the first line; empty when it was the program's own. */
    readonly report: string
  }
  readonly expected: string
  readonly seen: Seen
}

export interface RateSample {
  readonly atMs: number
  /** Work units per second since the report before. */
  readonly rate: number
}
