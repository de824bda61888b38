/**
 * One virtual machine, assembled top to bottom: memory, interrupt controllers, devices on their buses, kernel, vCPUs.
 * Devices meet addresses and interrupt lines in place-devices.ts, and nowhere else.
 */
import type { Reactor } from '../backends/reactor.ts'
import { loadKernel } from '../boot/load-kernel.ts'
import { BugError, HostError } from '../errors.ts'
import type { MemoryImage } from '../memory/memory-image.ts'
import type { Ram } from '../memory/ram.ts'
import type { Json, JsonObject } from '../virtio/saved-state.ts'
import { type BootModuleSource, placeModules } from './boot-modules.ts'
import { type RunnerKind, runnerFactory, runnerKind } from './choose-runner.ts'
import { tellOfPause } from './clock.ts'
import type { CpuPolicy } from './cpu-policy.ts'
import { createVcpus, createVm, deferredWrites } from './create-vm.ts'
import { virtioArgument, virtioSlot } from './device-table.ts'
import { createExitHandler, type MachineEnd } from './exit-handler.ts'
import { createExitTrace } from './exit-trace.ts'
import { type DevicePlan, placeDevices } from './place-devices.ts'
import { poolThreads } from './thread-pool.ts'
import { createVcpuGroup } from './vcpu-group.ts'
import { applyCpuPolicy, type EntryState, type PolicyMemory, setEntryState, suggestAndApply } from './vcpu-setup.ts'
import type { RestoreOptions } from './vm-state.ts'

export interface MachineConfig extends DevicePlan {
  readonly memoryBytes: number
  /** What is in its memory, which is mapped from there copy-on-write; zeros unless said. Not changed, and open as long. */
  readonly memory?: MemoryImage
  /** Path of a kernel: ELF or bzImage, see load-kernel.ts. */
  readonly kernel: string
  /** The devices' arguments are put in front of it, but for a Linux that finds them by ACPI. */
  readonly commandLine: string
  /** One unless said. */
  readonly cpus?: number
  /** A programmable interval timer, which stock kernels calibrate their own clocks on. */
  readonly pit?: boolean
  readonly modules: readonly BootModuleSource[]
  /** Started, and outlives the machine: backends of devices may watch descriptors of their own with it. */
  readonly reactor: Reactor
  /** Which thread runs a vCPU; by their number unless said (choose-runner.ts). */
  readonly runner?: RunnerKind
  /** Told what has been done so far, for whoever measures. */
  readonly onStep?: (step: MachineStep) => void
  /** Told when the guest's memory is there, before any device is used. */
  readonly onRam?: (ram: Ram) => void
  /** What its processors are: one recorded earlier, else the one this host suggests. */
  readonly policy?: CpuPolicy
  /** Spares working out the host's suggestion again. */
  readonly policyMemory?: PolicyMemory
  /**
   * Goes on where a machine made alike was saved, instead of booting, over the memory of that moment: `memory`, or what
   * `onRam` has put in place.
   * It is another generation of that guest, which is told so by ACPI.
   */
  readonly restore?: RestoreOptions & { readonly state: Json }
}

export type MachineStep = 'vm' | 'devices' | 'vcpus' | 'state'

export interface Machine {
  /** What its processors are; plain JSON. */
  readonly policy: CpuPolicy
  /** Resolves once, when the guest ended or `stop` was called. */
  readonly ended: Promise<MachineEnd>
  /** VM exits that got here so far. */
  exits(): number
  start(): void
  /** Resolves when no vCPU is in the guest and no device at work in its memory. */
  pause(): Promise<void>
  /** Whether it stands still since `pause`; a guest that has ended does not. */
  isPaused(): boolean
  resume(): void
  /** Everything but its memory, as plain JSON. Only while it is paused. */
  save(): Promise<JsonObject>
  /** Ends the guest wherever it is. */
  stop(): void
  /** Stops and releases every descriptor, thread and mapping; idempotent. */
  close(): Promise<void>
}

/** @throws UsageError for a bad kernel or module, HostError when KVM refuses. */
export async function createMachine(config: MachineConfig): Promise<Machine> {
  const cpus = config.cpus ?? 1
  const runner = config.runner ?? runnerKind(cpus)
  if (runner === 'pool' && cpus > poolThreads()) {
    throw new BugError(`Cannot run ${cpus} vCPUs on a pool of ${poolThreads()} threads: sizeThreadPool comes first.`)
  }
  const releases: (() => void)[] = []
  const release = () => {
    for (const undo of releases.splice(0).reverse()) undo()
  }
  try {
    const { kvm, vm, ram, registerPages } = createVm(
      {
        memoryBytes: config.memoryBytes,
        memory: config.memory,
        pit: config.pit ?? false,
        // A trace shows every access, reads too.
        pages: config.trace ? 0 : config.devices.length,
        onRam: config.onRam,
      },
      releases,
    )
    const { reactor, onStep = () => {} } = config
    onStep('vm')
    const { ports, portDevices, mmio, transports, raiseGeneration } = placeDevices(config, {
      vm,
      memory: ram.memory,
      reactor,
      releases,
      finish: (end) => handler.finish(end),
      settle: () => handler.settle(),
      registerPages,
    })
    onStep('devices')

    const entryState = config.restore ? undefined : await boot(config, ram, cpus)

    const vcpus = createVcpus(vm, cpus, releases)
    const first = vcpus[0]!
    const given = config.restore ? (await machineState()).savedPolicy(config.restore.state) : config.policy
    if (given && given.cpus !== cpus) throw otherPolicy(given, cpus)
    const policy = given ?? suggestAndApply(kvm, first, cpus, config.policyMemory)
    for (const vcpu of given ? vcpus : vcpus.slice(1)) applyCpuPolicy(vcpu, policy)
    if (entryState) setEntryState(first, entryState)
    onStep('vcpus')

    const names = {
      port: (port: number) => ports.find(port, 1)?.device.name,
      mmio: (gpa: number) => mmio.find(gpa, 1)?.device.name,
    }
    const handler = createExitHandler({
      memory: ram.memory,
      ports,
      mmio,
      deferredWrites: deferredWrites(kvm, first),
      names,
      trace: config.trace && createExitTrace(names, cpus, config.trace),
      drain: () => {
        for (const transport of transports) transport.drain()
      },
    })
    const parts = {
      vm,
      vcpus,
      memory: ram.memory,
      pit: config.pit ?? false,
      policy,
      transports,
      ports: portDevices,
      raiseGeneration,
    }
    if (config.restore) {
      const { restoreMachine } = await machineState()
      // Until the start: chains that wait are served when the guest goes on.
      for (const transport of transports) transport.hold()
      restoreMachine(parts, config.restore.state, config.restore)
      onStep('state')
    }
    const createRunner = await runnerFactory(runner)
    const group = createVcpuGroup(
      vcpus.map((vcpu) =>
        createRunner(vcpu, {
          onExit: handler.onExitOf(vcpu),
          onError: handler.onError,
          // A trace shows every exit, those that nobody answers too.
          claimedPorts: config.trace ? undefined : ports.ranges,
        }),
      ),
    )
    // The guest is one: where one vCPU ended it, the others do not go on.
    if (cpus > 1) void handler.ended.then(() => group.stop())

    /** The guest's memory and devices do not change, until it goes on or ends. */
    let quiet = false
    const isPaused = () => quiet && group.paused
    let closing: Promise<void> | undefined
    return {
      policy,
      ended: handler.ended,
      isPaused,
      exits: handler.count,
      start() {
        reactor.start()
        for (const transport of transports) transport.release()
        group.start()
      },
      async pause() {
        await group.pause()
        if (!group.paused) return
        handler.settle()
        for (const transport of transports) transport.hold()
        for (const device of config.devices) await device.idle?.()
        quiet = group.paused
      },
      resume() {
        if (!isPaused()) return
        quiet = false
        for (const vcpu of vcpus) tellOfPause(vcpu)
        for (const transport of transports) transport.release()
        group.resume()
      },
      async save() {
        const { saveMachine } = await machineState()
        if (!isPaused()) throw new BugError('Cannot save a machine that is not paused.')
        return saveMachine(parts)
      },
      stop() {
        handler.finish({ kind: 'stopped' })
        void group.stop()
      },
      close() {
        closing ??= (async () => {
          handler.finish({ kind: 'stopped' })
          await group.stop()
          // Devices let go of guest buffers before the memory goes.
          for (const transport of transports) transport.reset()
          for (const device of config.devices) await device.idle?.()
          release()
        })()
        return closing
      },
    }
  } catch (error) {
    release()
    throw error
  }
}

/** Most machines are neither saved nor restored. */
const machineState = () => import('./machine-state.ts')

/** Puts the kernel, and what it is told, into memory. @returns how the first vCPU begins */
async function boot(config: MachineConfig, { memory }: Ram, cpus: number): Promise<EntryState> {
  const { devices, modules, commandLine } = config
  const kernel = loadKernel(config.kernel, memory)
  const rsdp = config.acpi ? (await import('./guest-acpi.ts')).writeGuestAcpi(memory, cpus, devices.length) : undefined
  const announced = rsdp !== undefined && kernel.prefersAcpi() ? [] : devices
  return kernel.enter({
    commandLine: [...announced.map((_, slot) => virtioArgument(virtioSlot(slot))), commandLine].join(' '),
    modules: placeModules(memory, modules, kernel.end, kernel.modulesEnd),
    rsdp,
  })
}

/** The guest would read of other processors than it has. */
const otherPolicy = (policy: CpuPolicy, cpus: number) =>
  new HostError(`Cannot make a machine of ${cpus} processors: its processor policy is for ${policy.cpus} processors.`, {
    hint: 'Give it as many as it had, or leave the policy out.',
  })
