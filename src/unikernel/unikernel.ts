/**
 * The unikernel level: the program alone with our guest kernel in a virtual machine of its own.
 * This process is its VMM.
 */

import { hostRandom } from '../backends/random-source.ts'
import { Reactor } from '../backends/reactor.ts'
import { virtioRng } from '../devices/virtio-rng.ts'
import { EXIT, UsageError } from '../errors.ts'
import { type CpioEntry, planCpio } from '../image/cpio.ts'
import { largestFile, rootTree } from '../image/root-tree.ts'
import type { ExitResult, Instance, Phases, Stdio, TerminalSize } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { BootModuleSource } from '../machine/boot-modules.ts'
import { runnerKind } from '../machine/choose-runner.ts'
import type { CpuPolicy } from '../machine/cpu-policy.ts'
import { summarizeCpuPolicy } from '../machine/cpu-policy-summary.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { createMachine, type Machine } from '../machine/machine.ts'
import { sizeThreadPool } from '../machine/thread-pool.ts'
import { MIB } from '../memory/memory-map.ts'
import type { Ram } from '../memory/ram.ts'
import { unikernelPath } from '../paths.ts'
import type { VirtioDevice } from '../virtio/device.ts'
import { type Attached, attachDevices } from '../vmm/attach.ts'
import { askForMemory, guestMemoryUsage } from '../vmm/balloon-requests.ts'
import { initrdModule } from '../vmm/initrd.ts'
import { policyMemory } from '../vmm/policy-memory.ts'
import { securityOfVm } from '../vmm/security.ts'
import { joinVmmCgroup, type VmmCgroup } from '../vmm/vmm-cgroup.ts'
import { vmmUsage } from '../vmm/vmm-usage.ts'
import { MESSAGE_MAX } from './abi.ts'
import type { ProgramExit } from './control-channel.ts'
import { describeEnd, describeExit } from './ending.ts'
import { createGuestStreams, type GuestStreams, type InputState } from './guest-streams.ts'
import { createKernelLog } from './kernel-log.ts'
import { hasAcpi, hasPit } from './own-kernel.ts'
import { createSerialStreams } from './serial-streams.ts'
import type { Resumption } from './snapshot.ts'

/** Kernel, page tables and streams take a few MiB; below this nothing useful fits. */
const MEMORY_MIN = 16 * MIB
/** The guest kernel keeps no more than this part of its memory for arguments (control.c). */
const ARGS_SHARE = 16
/** For a kernel of the user's own without a program of ours; what is appended comes later, and so wins. */
const KERNEL_DEFAULTS = 'console=ttyS0 panic=-1 reboot=k pci=off'
const SIGPIPE = 13

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
  let streams: ReturnType<typeof openStreams | typeof openSerial> | undefined
  let attached: Attached | undefined
  let reactor: Reactor | undefined
  let ram: Ram | undefined
  let guest: GuestStreams | undefined
  let paused = false
  /** A snapshot is being written: what it reads must stay until it is. */
  let saving: Promise<unknown> | undefined
  const calledOff = new AbortController()
  let programExit: ProgramExit | undefined
  let resolveResult: (result: ExitResult) => void
  const result = new Promise<ExitResult>((resolve) => {
    resolveResult = resolve
  })
  let terminal: TerminalSize = { cols: 80, rows: 24 }
  let killed = false
  let closed = false

  const openStreams = (from?: InputState) =>
    createGuestStreams({
      stdio,
      ...(from && { from }),
      ...(spec.tty ? { terminal } : {}),
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
      onOutputLost: ({ code }) => outputLost(code),
      onLog: (line) => kernelLog.control(line),
      onExit: (exit) => {
        programExit = exit
      },
      onViolation: (what) =>
        kernelLog.control(`the guest broke the control protocol with ${what}; its messages are no longer read`),
    })

  /** No program of ours listens for signals: what would end it ends the machine. */
  const openSerial = () =>
    createSerialStreams({
      stdio,
      onFirstOutput: () => {
        phases.firstOutput ??= now()
      },
      onOutputLost: ({ code }) => (code === 'EPIPE' ? kill({ exitCode: 128 + SIGPIPE }) : outputLost(code)),
      onSignal: (signo) => kill({ exitCode: 128 + signo }),
    })

  const outputLost = (code: string | undefined) =>
    kill({
      exitCode: EXIT.cloisterFailed,
      report: `Cannot write the output of ${spec.program}: the host gave ${code}. The program was ended.`,
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
    calledOff.abort()
    phases.exited ??= now()
    resolveResult(outcome)
    machine?.stop()
  }

  const openResumption = async (): Promise<Resumption | undefined> => {
    if (spec.from === undefined) return undefined
    const { resumeFrom } = await import('./snapshot.ts')
    return await resumeFrom({ ...spec, from: spec.from })
  }

  /** Boots it, or has it go on where the other one was. */
  const startGuest = async (reactor: Reactor, from: Resumption | undefined): Promise<void> => {
    const context = { reactor, directory, log }
    attached = from
      ? await attachDevices(from.spec, { ...context, restored: true, ownFiles: from.ownFiles })
      : await attachDevices(spec, context)
    const otherThreads = reactor.threads + (stdio.stdin === undefined ? 0 : 1) + attached.threads
    // One vCPU hops between the pool's threads too, when there are others.
    const kind = runner ?? runnerKind(spec.cpus + otherThreads)
    sizeThreadPool(kind === 'pool' ? spec.cpus : 0, otherThreads)
    guest = spec.source.kind === 'kernel' ? undefined : openStreams(from?.input)
    const serial = guest ? undefined : openSerial()
    const opened = guest ?? serial!
    streams = opened
    machine = await createMachine({
      ...(from ? from.machine : bootConfig(attached.commandLine)),
      devices: devicesOf(opened, attached),
      reactor,
      // A kernel of the user's own talks on the serial port; ours only when something is wrong.
      serial: {
        sink: spec.kernel ? kernelLog.overhear(opened.openStdout()) : kernelLog.serial,
        ...(serial?.input && { source: serial.input }),
      },
      runner: kind,
      onRam(made) {
        ram = made
        attached?.onRam?.(made)
      },
      trace,
      log,
    })
    if (from) guest?.release(from.release(attached.network))
    else guest?.sendArgs({ path: spec.program, cwd: spec.cwd, argv: spec.argv, env: spec.env })
    phases.created = now()
    void machine.ended.then(conclude)
    phases.entered = now()
    if (closed) await machine.close()
    else if (killed) machine.stop()
    else machine.start()
  }

  const bootConfig = (devicesLine: string) => {
    const { source } = spec
    const program = source.kind === 'kernel' ? undefined : rootTree(source, log)
    return {
      memoryBytes: spec.memoryBytes,
      kernel: spec.kernel ?? unikernelPath,
      commandLine: [program ? '' : KERNEL_DEFAULTS, devicesLine, spec.append ?? ''].filter(Boolean).join(' '),
      modules: program ? [rootModule(program)] : spec.initrd === undefined ? [] : [initrdModule(spec.initrd)],
      // What is remembered is that of the usual VM, with one.
      policyMemory: spec.cpus === 1 ? policyMemory() : undefined,
      cpus: spec.cpus,
      acpi: hasAcpi(spec),
      pit: hasPit(spec),
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
      if (spec.cpus > 1 && spec.kernel === undefined) {
        throw new UsageError(`Cannot give ${spec.program} ${spec.cpus} processors: a unikernel runs on one.`, {
          hint: 'Leave --cpus out, use --isolation container, or boot a kernel of your own with --kernel.',
        })
      }
      if (detached) joinGroup()
      reactor = new Reactor(onReactorFailed)
      const from = await openResumption()
      try {
        await startGuest(reactor, from)
      } finally {
        from?.close()
      }
      // Nobody waits for it here: the guest is on its way.
      if (!detached && !closed) joinGroup()
    },
    wait: () => result,
    signal: (signo) => streams?.sendSignal(signo),
    resize(size) {
      terminal = size
      streams?.resize(size)
    },
    async pause() {
      // What is still being made cannot stand still, and would start all the same.
      if (!machine) throw new UsageError(`Cannot pause unikernel "${spec.name}": it has not started yet.`)
      await machine.pause()
      paused = true
    },
    async resume() {
      paused = false
      machine?.resume()
    },
    async snapshot(order) {
      const { snapshotUnikernel } = await import('./snapshot.ts')
      if (!machine || !ram || !attached || !streams) {
        throw new UsageError(`Cannot take a snapshot of "${spec.name}": it has not started yet.`)
      }
      const ended = Promise.race([result, machine.ended])
      const devices = devicesOf(streams, attached)
      const subject = { spec, machine, ram, attached, devices, streams: guest, paused: () => paused, ended }
      const takeBack = group?.makeRoom(spec.memoryBytes)
      const taken = snapshotUnikernel(subject, order, calledOff.signal).finally(takeBack)
      saving = taken.catch(() => {})
      return await taken
    },
    async setMemory(bytes) {
      askForMemory(spec, attached?.balloon, bytes)
    },
    usage: () => ({
      ...vmmUsage(),
      memoryLimitBytes: spec.memoryBytes,
      exits: machine?.exits() ?? 0,
      ...(attached?.balloon && { guestMemory: guestMemoryUsage(attached.balloon) }),
    }),
    describe: () => ({
      security: securityOfVm({ ...spec, vsock: attached?.describe().vsock !== undefined, group }),
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
      await saving
      await machine?.close()
      attached?.close()
      await reactor?.close()
      streams?.close()
      group?.remove()
      phases.gone ??= now()
    },
  }
}

/** In slot order. */
const devicesOf = ({ device }: { readonly device: VirtioDevice }, attached: Attached): readonly VirtioDevice[] => [
  device,
  virtioRng(hostRandom),
  ...attached.devices,
]

const rootModule = (tree: readonly CpioEntry[]): BootModuleSource => ({
  name: 'the root file tree',
  largest: largestFile(tree),
  ...planCpio(tree),
})

const describeProcessor = (policy: CpuPolicy) => ({ processor: summarizeCpuPolicy(policy), policy })

const now = () => process.hrtime.bigint()
