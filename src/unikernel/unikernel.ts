/**
 * The unikernel level: the program alone with our guest kernel in a virtual machine of its own.
 * This process is its VMM.
 */
import { hostRandom } from '../backends/random-source.ts'
import { virtioRng } from '../devices/virtio-rng.ts'
import { EXIT, UsageError } from '../errors.ts'
import { planCpio } from '../image/cpio.ts'
import { rootTree } from '../image/root-tree.ts'
import type { ExitResult, Instance, Phases, Stdio } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { createMachine, type Machine } from '../machine/machine.ts'
import { sizeThreadPool } from '../machine/thread-pool.ts'
import { MIB } from '../memory/memory-map.ts'
import { unikernelPath } from '../paths.ts'
import { EXIT_REASON, MESSAGE_MAX } from './abi.ts'
import type { ProgramExit } from './control-channel.ts'
import { createGuestStreams, type GuestStreams } from './guest-streams.ts'
import { createLineSink } from './line-sink.ts'

/** Kernel, page tables and streams take a few MiB; below this nothing useful fits. */
const MEMORY_MIN = 16 * MIB
/** The guest kernel keeps no more than this part of its memory for arguments (control.c). */
const ARGS_SHARE = 16
/** Kernel log lines kept for the report of a guest that gave up. */
const LOG_LINES_KEPT = 8

export interface UnikernelOptions {
  readonly stdio: Stdio
  readonly log?: (line: string) => void
  /** Which thread runs the vCPU. */
  readonly runner?: 'pool' | 'worker'
  /** Receives the lines of `--trace exits`. */
  readonly trace?: (line: string) => void
}

export function createUnikernel(spec: RunSpec, { stdio, log = () => {}, runner, trace }: UnikernelOptions): Instance {
  const phases: Phases = {}
  const lastLines: string[] = []
  let machine: Machine | undefined
  let streams: GuestStreams | undefined
  let programExit: ProgramExit | undefined
  let resolveResult: (result: ExitResult) => void
  const result = new Promise<ExitResult>((resolve) => {
    resolveResult = resolve
  })
  let killed = false
  let closed = false

  const note = (line: string) => {
    lastLines.push(line)
    if (lastLines.length > LOG_LINES_KEPT) lastLines.shift()
    log(line)
  }

  const openStreams = () =>
    createGuestStreams({
      stdio,
      argsMax: Math.min(MESSAGE_MAX, Math.floor((spec.memoryBytes - MIB) / ARGS_SHARE)),
      onReady: () => {
        phases.kernelReady = now()
      },
      onStarted: () => {
        phases.programStarted = now()
      },
      onFirstOutput: () => {
        phases.firstOutput ??= now()
      },
      onOutputLost: ({ code }) =>
        kill({
          exitCode: EXIT.cloisterFailed,
          report: `Cannot write the output of ${spec.program}: the host gave ${code}. The program was ended.`,
        }),
      onLog: note,
      onExit: (exit) => {
        programExit = exit
      },
      onViolation: (what) => note(`the guest broke the control protocol with ${what}; its messages are no longer read`),
    })

  /** A killed guest's output is not waited for: its reader may be why it was killed. */
  const conclude = async (end: MachineEnd) => {
    phases.exited = now()
    await streams?.flushed()
    resolveResult(programExit ? describeExit(programExit, lastLines) : describeEnd(end, lastLines))
  }

  const kill = (outcome: ExitResult) => {
    killed = true
    phases.exited ??= now()
    resolveResult(outcome)
    machine?.stop()
  }

  return {
    isolation: 'unikernel',
    phases,
    pids: () => [process.pid],
    async start() {
      phases.requested = now()
      if (spec.memoryBytes < MEMORY_MIN) {
        throw new UsageError(
          `Cannot run ${spec.program}: a unikernel needs at least ${MEMORY_MIN / MIB} MiB of memory.`,
          {
            hint: 'Give it more with --memory.',
          },
        )
      }
      if (spec.cpus > 1) {
        throw new UsageError(`Cannot give ${spec.program} ${spec.cpus} processors: a unikernel runs on one.`, {
          hint: 'Leave --cpus out, or use --isolation container.',
        })
      }
      sizeThreadPool(stdio.stdin === undefined ? 0 : 1)
      streams = openStreams()
      machine = await createMachine({
        memoryBytes: spec.memoryBytes,
        kernel: spec.kernel ?? unikernelPath,
        commandLine: spec.append ?? '',
        modules: [{ name: 'the root file tree', ...planCpio(rootTree(spec.source)) }],
        devices: [streams.device, virtioRng(hostRandom)],
        // A kernel of the user's own talks on the serial port; ours only when something is wrong.
        serial: { sink: spec.kernel ? streams.openStdout() : createLineSink(note) },
        runner,
        trace,
        log,
      })
      streams.sendArgs({ path: spec.program, cwd: spec.cwd, argv: spec.argv, env: spec.env })
      phases.created = now()
      void machine.ended.then(conclude)
      phases.entered = now()
      if (closed) await machine.close()
      else if (killed) machine.stop()
      else machine.start()
    },
    wait: () => result,
    signal: (signo) => streams?.sendSignal(signo),
    kill,
    async close() {
      closed = true
      await machine?.close()
      streams?.close()
      phases.gone ??= now()
    },
  }
}

const now = () => process.hrtime.bigint()

function describeExit({ status, reason }: ProgramExit, lastLines: readonly string[]): ExitResult {
  const why = lastLines.at(-1)
  switch (reason) {
    case EXIT_REASON.notExecutable:
      return { exitCode: EXIT.notExecutable, report: why }
    case EXIT_REASON.notFound:
      return { exitCode: EXIT.notFound, report: why }
    case EXIT_REASON.outOfMemory:
      return { exitCode: EXIT.outOfMemory, outOfMemory: true, report: why }
    default:
      return { exitCode: status }
  }
}

/** An end that the program did not announce. */
function describeEnd(end: MachineEnd, lastLines: readonly string[]): ExitResult {
  const report = (what: string) => ({ exitCode: EXIT.cloisterFailed, report: [what, ...lastLines].join('\n  ') })
  switch (end.kind) {
    case 'exitPort':
      return { exitCode: end.value }
    case 'reset':
      return { exitCode: 0 }
    case 'panic':
      return report('The guest kernel gave up:')
    case 'died':
      return report(end.report)
    case 'stopped':
      return report('The guest was stopped.')
  }
}
