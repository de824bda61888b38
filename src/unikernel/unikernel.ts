/**
 * The unikernel level: the program alone with our guest kernel in a virtual machine of its own.
 * This process is its VMM.
 */

import { hostRandom } from '../backends/random-source.ts'
import { Reactor } from '../backends/reactor.ts'
import { virtioRng } from '../devices/virtio-rng.ts'
import { EXIT, UsageError } from '../errors.ts'
import { planCpio } from '../image/cpio.ts'
import { largestFile, rootTree } from '../image/root-tree.ts'
import type { ExitResult, Instance, Phases, Stdio } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { CpuPolicy } from '../machine/cpu-policy.ts'
import { summarizeCpuPolicy } from '../machine/cpu-policy-summary.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { createMachine, type Machine } from '../machine/machine.ts'
import { sizeThreadPool } from '../machine/thread-pool.ts'
import { MIB } from '../memory/memory-map.ts'
import { unikernelPath } from '../paths.ts'
import { type Attached, attachDevices } from '../vmm/attach.ts'
import { MESSAGE_MAX } from './abi.ts'
import type { ProgramExit } from './control-channel.ts'
import { describeEnd, describeExit } from './ending.ts'
import { createGuestStreams, type GuestStreams } from './guest-streams.ts'
import { createKernelLog } from './kernel-log.ts'
import { policyMemory } from './policy-memory.ts'
import { securityOfUnikernel } from './security.ts'
import { joinVmmCgroup, type VmmCgroup } from './vmm-cgroup.ts'
import { vmmUsage } from './vmm-usage.ts'

/** Kernel, page tables and streams take a few MiB; below this nothing useful fits. */
const MEMORY_MIN = 16 * MIB
/** The guest kernel keeps no more than this part of its memory for arguments (control.c). */
const ARGS_SHARE = 16

export interface UnikernelOptions {
  readonly stdio: Stdio
  /** The instance's own; with it this process joins a control group of that instance. */
  readonly directory?: string
  /** This process was made for this instance: it joins before there is a VM. */
  readonly detached?: boolean
  readonly log?: (line: string) => void
  /** Which thread runs the vCPU. */
  readonly runner?: 'pool' | 'worker'
  /** Receives the lines of `--trace exits`. */
  readonly trace?: (line: string) => void
}

export function createUnikernel(spec: RunSpec, options: UnikernelOptions): Instance {
  const { stdio, directory, detached = false, log = () => {}, runner, trace } = options
  const phases: Phases = {}
  const kernelLog = createKernelLog(log)
  let machine: Machine | undefined
  let group: VmmCgroup | undefined
  let streams: GuestStreams | undefined
  let attached: Attached | undefined
  let reactor: Reactor | undefined
  let programExit: ProgramExit | undefined
  let resolveResult: (result: ExitResult) => void
  const result = new Promise<ExitResult>((resolve) => {
    resolveResult = resolve
  })
  let killed = false
  let closed = false

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
      onLog: (line) => kernelLog.control(line),
      onExit: (exit) => {
        programExit = exit
      },
      onViolation: (what) =>
        kernelLog.control(`the guest broke the control protocol with ${what}; its messages are no longer read`),
    })

  /** A killed guest's output is not waited for: its reader may be why it was killed. */
  const conclude = async (end: MachineEnd) => {
    phases.exited = now()
    await streams?.flushed()
    kernelLog.serial.end()
    const ownKernel = spec.kernel === undefined
    resolveResult(programExit ? describeExit(programExit, kernelLog) : describeEnd(end, kernelLog, ownKernel))
  }

  const joinGroup = () => {
    if (directory !== undefined) group = joinVmmCgroup({ ...spec, directory }, detached, log)
  }

  const onReactorFailed = ({ message }: Error) =>
    kill({ exitCode: EXIT.cloisterFailed, report: `Cannot go on with ${spec.program}: ${message}.` })

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
      if (detached) joinGroup()
      reactor = new Reactor(onReactorFailed)
      attached = await attachDevices(spec, { reactor, directory, log })
      sizeThreadPool((stdio.stdin === undefined ? 0 : 1) + attached.threads)
      streams = openStreams()
      const tree = rootTree(spec.source, log)
      machine = await createMachine({
        memoryBytes: spec.memoryBytes,
        kernel: spec.kernel ?? unikernelPath,
        commandLine: [attached.commandLine, spec.append ?? ''].filter(Boolean).join(' '),
        modules: [{ name: 'the root file tree', largest: largestFile(tree), ...planCpio(tree) }],
        devices: [streams.device, virtioRng(hostRandom), ...attached.devices],
        reactor,
        // A kernel of the user's own talks on the serial port; ours only when something is wrong.
        serial: { sink: spec.kernel ? kernelLog.overhear(streams.openStdout()) : kernelLog.serial },
        policyMemory: policyMemory(),
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
      // Nobody waits for it here: the guest is on its way.
      if (!detached && !closed) joinGroup()
    },
    wait: () => result,
    signal: (signo) => streams?.sendSignal(signo),
    async pause() {
      // What is still being made cannot stand still, and would start all the same.
      if (!machine) throw new UsageError(`Cannot pause unikernel "${spec.name}": it has not started yet.`)
      await machine.pause()
    },
    async resume() {
      machine?.resume()
    },
    usage: () => ({ ...vmmUsage(), memoryLimitBytes: spec.memoryBytes, exits: machine?.exits() ?? 0 }),
    describe: () => ({
      security: securityOfUnikernel({ ...spec, group }),
      details: {
        kernel: spec.kernel ?? unikernelPath,
        ...attached?.describe(),
        ...group?.describe(),
        ...(machine && describeProcessor(machine.policy)),
      },
    }),
    kill,
    async close() {
      closed = true
      await machine?.close()
      attached?.close()
      await reactor?.close()
      streams?.close()
      group?.remove()
      phases.gone ??= now()
    },
  }
}

const describeProcessor = (policy: CpuPolicy) => ({ processor: summarizeCpuPolicy(policy), policy })

const now = () => process.hrtime.bigint()
