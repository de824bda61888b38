/**
 * The unikernel level: the program alone with our guest kernel in a virtual machine of its own.
 * This process is its VMM; the program's standard streams are ports of a virtio-console, a third port is control.
 */
import { isatty } from '../../kvm-bindings/ffi.ts'
import { createBufferSource } from '../backends/buffer-stream.ts'
import { createFdSink } from '../backends/fd-sink.ts'
import { hostRandom } from '../backends/random-source.ts'
import { createStreamSource } from '../backends/stream-source.ts'
import type { ByteSink, ByteSource } from '../backends/streams.ts'
import { virtioConsole } from '../devices/virtio-console.ts'
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
import { ARGS, EXIT_REASON } from './abi.ts'
import {
  argsMessage,
  createControlParser,
  type ProgramExit,
  signalMessage,
  stdinEndMessage,
} from './control-channel.ts'
import { createLineSink } from './line-sink.ts'

/** Kernel, page tables and streams take a few MiB; below this nothing useful fits. */
const MEMORY_MIN = 16 * MIB
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
  let programExit: ProgramExit | undefined
  let killedWith: ExitResult | undefined
  let closeStdin = () => {}
  let resolveResult: (result: ExitResult) => void
  const result = new Promise<ExitResult>((resolve) => {
    resolveResult = resolve
  })

  const note = (line: string) => {
    lastLines.push(line)
    if (lastLines.length > LOG_LINES_KEPT) lastLines.shift()
    log(line)
  }

  const control = createBufferSource()
  const controlParser = createControlParser({
    onReady: () => {
      phases.kernelReady = now()
    },
    onStarted: () => {
      phases.programStarted = now()
    },
    onLog: note,
    onExit: (exit) => {
      programExit = exit
    },
    onViolation: (what) => note(`the guest broke the control protocol with ${what}; its messages are no longer read`),
  })

  const conclude = (end: MachineEnd): ExitResult => {
    if (killedWith) return killedWith
    if (programExit) return describeExit(programExit, lastLines)
    switch (end.kind) {
      case 'exitPort':
        return { exitCode: end.value }
      case 'panic':
        return { exitCode: EXIT.cloisterFailed, report: ['The guest kernel gave up:', ...lastLines].join('\n  ') }
      case 'reset':
        return { exitCode: 0 }
      case 'died':
        return { exitCode: EXIT.cloisterFailed, report: [end.report, ...lastLines].join('\n  ') }
      case 'stopped':
        return { exitCode: EXIT.cloisterFailed, report: 'The guest was stopped.' }
    }
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
      sizeThreadPool(stdio.stdin === undefined ? 0 : 1)
      const stdout = createFdSink(stdio.stdout)
      const onFirstOutput = marking(stdout, () => {
        phases.firstOutput ??= now()
      })
      const stdin = stdio.stdin === undefined ? undefined : openStdin((total) => control.push(stdinEndMessage(total)))
      closeStdin = () => stdin?.close()
      machine = await createMachine({
        memoryBytes: spec.memoryBytes,
        kernel: spec.kernel ?? unikernelPath,
        commandLine: spec.append ?? '',
        modules: [{ name: 'the root file tree', ...planCpio(rootTree(spec.source)) }],
        devices: [
          virtioConsole({
            ports: [
              { name: 'stdio', isConsole: true, sink: onFirstOutput, source: stdin?.source },
              { name: 'stderr', isConsole: false, sink: createFdSink(stdio.stderr) },
              { name: 'control', isConsole: false, sink: controlParser, source: control },
            ],
          }),
          virtioRng(hostRandom),
        ],
        // A kernel of the user's own talks on the serial port; ours only when something is wrong.
        serial: { sink: spec.kernel ? createFdSink(stdio.stdout) : createLineSink(note) },
        runner,
        trace,
        log,
      })
      control.push(
        argsMessage({ path: spec.program, cwd: spec.cwd, argv: spec.argv, env: spec.env, flags: flags(stdio) }),
      )
      phases.created = now()
      void machine.ended.then((end) => {
        phases.exited = now()
        closeStdin()
        resolveResult(conclude(end))
      })
      phases.entered = now()
      if (killedWith) machine.stop()
      else machine.start()
    },
    wait: () => result,
    signal: (signo) => control.push(signalMessage(signo)),
    kill(outcome) {
      killedWith ??= outcome
      machine?.stop()
    },
    async close() {
      closeStdin()
      await machine?.close()
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

function marking(sink: ByteSink, onWrite: () => void): ByteSink {
  return {
    write(bytes) {
      onWrite()
      return sink.write(bytes)
    },
    onDrain: (listener) => sink.onDrain(listener),
  }
}

function openStdin(onEnd: (total: number) => void): { source: ByteSource; close: () => void } {
  const source = createStreamSource(process.stdin, { onEnd })
  return { source, close: () => process.stdin.destroy() }
}

function flags({ stdin, stdout, stderr }: Stdio): number {
  let bits = 0
  if (stdin !== undefined) bits |= ARGS.stdin | (isatty(stdin) ? ARGS.stdinTty : 0)
  if (isatty(stdout)) bits |= ARGS.stdoutTty
  if (isatty(stderr)) bits |= ARGS.stderrTty
  return bits
}
