/**
 * What every isolation level offers, however it keeps its promise. The command line, `compare` and the benchmarks
 * know instances by this interface only.
 */
import type { ExecSession, ExecSpec } from './exec.ts'
import type { Isolation } from './run-spec.ts'

/** How an instance ended. */
export interface ExitResult {
  /** What a shell shows as `$?`: the program's status, 128 + signal, or one of EXIT (src/errors.ts). */
  readonly exitCode: number
  /** When the end was not the program's own doing: one paragraph for the user. */
  readonly report?: string
  readonly outOfMemory?: boolean
}

/**
 * Marks on the way from request to exit, in the order they happen; `process.hrtime.bigint()` values.
 * What a level cannot see is left out, never guessed.
 */
export interface Phases {
  /** Instance object asked to start. */
  requested?: bigint
  /** VM and devices exist, or the OCI bundle is written. */
  created?: bigint
  /** First KVM_RUN, or the OCI runtime was started. */
  entered?: bigint
  /** The guest kernel is up and asked for its program. */
  kernelReady?: bigint
  /** The program is about to run its first instruction. */
  programStarted?: bigint
  firstOutput?: bigint
  exited?: bigint
  /** Everything is released. */
  gone?: bigint
}

/** What an instance uses. A level leaves out what it cannot know. */
export interface Usage {
  /** Processor time since it was started, on all processors, that of its VMM or runtime included. */
  readonly cpuTimeNs: number
  /** Memory that would be free without it. */
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  /** Processes (container) or threads of the VMM on the host. */
  readonly tasks: number
  /** VM exits that reached the VMM. */
  readonly exits?: number
  /** A guest with a balloon: what it may have of its memory, and how it uses it, as far as it says so. */
  readonly guestMemory?: GuestMemoryUsage
}

/** Bytes. What the guest says is as of its last answer: it is asked each time this is read. */
export interface GuestMemoryUsage {
  /** What it was asked to live with, and what it does live with. */
  readonly targetBytes: number
  readonly actualBytes: number
  readonly totalBytes?: number
  readonly freeBytes?: number
  readonly availableBytes?: number
  readonly cacheBytes?: number
  readonly swapInBytes?: number
  readonly swapOutBytes?: number
  readonly majorFaults?: number
  readonly minorFaults?: number
}

/** One line of `inspect --security`: something between this instance and the host. */
export interface SecurityFinding {
  /** `boundary`, `kernel`, `processes`, `files`, `network`, `privileges`, `system calls`, `memory`, `processor`, ... */
  readonly topic: string
  /** `on`: it stands. `partial`: with a gap that `detail` names. `off`: there is nothing. */
  readonly state: 'on' | 'partial' | 'off'
  readonly detail: string
}

/** What a running instance is made of, as plain JSON: for `inspect`, and recorded with it. */
export interface InstanceDescription {
  readonly security: readonly SecurityFinding[]
  /** Facts of the level: control group and OCI runtime, or KVM backend and the CPUID and MSR policy of the VM. */
  readonly details: Readonly<Record<string, unknown>>
}

/** The caller's standard streams as file descriptors; `stdin` only when connected. */
export interface Stdio {
  readonly stdin?: number
  readonly stdout: number
  readonly stderr: number
}

export interface TerminalSize {
  readonly cols: number
  readonly rows: number
}

export interface SnapshotOrder {
  /** Comes to be when all of it is there. */
  readonly directory: string
  /** The directory of an earlier one: only what has changed since is kept. */
  readonly base?: string
}

export interface SnapshotFacts {
  /** How long the program stood still for it. */
  readonly pausedMs: number
  /** Of its files, as they are allocated. */
  readonly bytes: number
}

export interface Instance {
  readonly isolation: Isolation
  readonly phases: Phases
  /** Pids of the host processes that exist for this instance alone, its VMM or runtime included. */
  readonly pids: () => readonly number[]
  /** Returns when the program was handed to the guest kernel or to the runtime. */
  start(): Promise<void>
  /** Resolves once, with how it ended. */
  wait(): Promise<ExitResult>
  /** Resolves when its program has the caller's streams, or never will; a level without it hands them over at once. */
  joined?(): Promise<void>
  /** Delivers a Linux signal number to the program. */
  signal(signo: number): void
  /** The terminal that the program has (`-t`) is as large as this now; also before the start. */
  resize?(size: TerminalSize): void
  /** Ends it at once, whatever it does; `wait` then resolves with the given result. */
  kill(result: ExitResult): void
  /** Stops it where it is, all of it at once; resolves when it stands still. Idempotent. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Another memory limit, or for a guest with a balloon another amount of memory to live with. @throws UsageError */
  setMemory(bytes: number): Promise<void>
  /** Starts a further program in it; waits for an instance that is still booting. @throws UsageError where it can't */
  exec?(spec: ExecSpec): Promise<ExecSession>
  /** Saves all that others need to go on from here; it goes on itself, or stands still if it did. @throws UsageError, HostError */
  snapshot?(order: SnapshotOrder): Promise<SnapshotFacts>
  /** Of a started instance. */
  usage(): Usage
  /** Of a started instance. */
  describe(): InstanceDescription
  /** Releases everything the host holds for it; idempotent. */
  close(): Promise<void>
}
