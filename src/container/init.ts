/**
 * Process 1 of every container, rootfs/init.c: how it is told what to start, and what it tells us. A program that is
 * process 1 itself is treated specially by the kernel, pid_namespaces(7); behind this one it is like any other.
 */
import { basename } from 'node:path'
import type { ExecSpec } from '../instance/exec.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { builtProgram } from './built.ts'
import { type OciMount, readOnlyFile } from './mounts.ts'
import type { Connection } from './streams.ts'

/** In the /dev of the container, which is ours: whatever root was given, nothing appears in it. */
const PATH_INSIDE = '/dev/.cloister-init'
/** Beside it, the programs of `cloister cp` and `cloister top`: rootfs/tool. */
const TOOL_INSIDE = '/dev/.cloister-tool'
/** By this the kernel names a process of init's, whatever it is called with. proc_pid_comm(5) */
export const INIT_NAME = basename(PATH_INSIDE)

/** Descriptors from 3 on that init expects: the three streams, and where it reports. */
export const INIT_DESCRIPTORS = 4

/** @throws HostError */
export const initMounts = (): OciMount[] => [
  readOnlyFile(builtProgram('init'), PATH_INSIDE),
  readOnlyFile(builtProgram('tool'), TOOL_INSIDE),
]

export const initArguments = ({ program, argv, tty }: RunSpec, streams: readonly Connection[]): string[] => [
  PATH_INSIDE,
  (tty ? 't' : '') + streams.map(({ letter }) => letter).join(''),
  program,
  ...(argv.length > 0 ? argv : [program]),
]

/** For a further program, whose three streams are handed in; with a terminal the third brings its sizes. */
export const execArguments = ({ argv, tool, tty }: ExecSpec, cwd: string): string[] => {
  const program = tool === undefined ? [argv[0]!, ...argv] : [TOOL_INSIDE, 'tool', tool, ...argv]
  return [PATH_INSIDE, `${tty ? 't' : ''}dppp`, cwd, ...program]
}

export interface InitReport {
  /** CLOCK_MONOTONIC right before the execve that became the program, as `process.hrtime.bigint()` counts. */
  readonly startedNs: bigint
  /** errno, or 0 when the program runs. */
  readonly error: number
  /** What the error is of. */
  readonly of: 'init' | 'execve' | 'directory'
}

const OF = ['execve', 'init', 'directory'] as const

/** `struct report` of init.c. */
export const REPORT_BYTES = 16

/** @returns undefined for anything but one whole report */
export function parseReport(bytes: Buffer): InitReport | undefined {
  if (bytes.length !== REPORT_BYTES) return undefined
  return { startedNs: bytes.readBigInt64LE(0), error: bytes.readInt32LE(8), of: OF[bytes.readInt32LE(12)] ?? 'init' }
}
