/**
 * One virtual machine, assembled top to bottom: memory, interrupt controllers, devices on their buses, kernel, vCPU.
 * Devices meet addresses and interrupt lines in place-devices.ts, and nowhere else.
 */
import { CAP } from '../../kvm-bindings/capabilities.ts'
import { CoalescedMmioRing } from '../../kvm-bindings/coalesced-mmio.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import type { Reactor } from '../backends/reactor.ts'
import { loadKernel } from '../boot/load-kernel.ts'
import { writePvhBoot } from '../boot/pvh.ts'
import { pvhEntryState } from '../boot/pvh-cpu-state.ts'
import { HostError } from '../errors.ts'
import { IDENTITY_MAP_GPA, PAGE_SIZE, TSS_GPA } from '../memory/memory-map.ts'
import { allocateRam, type Ram } from '../memory/ram.ts'
import { type BootModuleSource, placeModules } from './boot-modules.ts'
import type { CpuPolicy } from './cpu-policy.ts'
import { virtioArgument, virtioSlot } from './device-table.ts'
import { createExitHandler, type MachineEnd } from './exit-handler.ts'
import { createExitTrace } from './exit-trace.ts'
import { type DevicePlan, placeDevices } from './place-devices.ts'
import { createPoolRunner } from './pool-runner.ts'
import type { RunnerEvents, VcpuRunner } from './vcpu-runner.ts'
import { applyCpuPolicy, type PolicyMemory, setEntryState, suggestAndApply } from './vcpu-setup.ts'

export interface MachineConfig extends DevicePlan {
  readonly memoryBytes: number
  /** Path of an ELF kernel with a PVH entry. */
  readonly kernel: string
  /** The devices' arguments are put in front of it. */
  readonly commandLine: string
  readonly modules: readonly BootModuleSource[]
  /** Started, and outlives the machine: backends of devices may watch descriptors of their own with it. */
  readonly reactor: Reactor
  /** Which thread runs the vCPU; see vcpu-runner.ts. */
  readonly runner?: 'pool' | 'worker'
  /** What its processors are: one recorded earlier, else the one this host suggests. */
  readonly policy?: CpuPolicy
  /** Spares working out the host's suggestion again. */
  readonly policyMemory?: PolicyMemory
}

export interface Machine {
  /** What its processors are; plain JSON. */
  readonly policy: CpuPolicy
  /** Resolves once, when the guest ended or `stop` was called. */
  readonly ended: Promise<MachineEnd>
  /** VM exits that got here so far. */
  exits(): number
  start(): void
  pause(): Promise<void>
  resume(): void
  /** Ends the guest wherever it is. */
  stop(): void
  /** Stops and releases every descriptor, thread and mapping; idempotent. */
  close(): Promise<void>
}

/** @throws UsageError for a bad kernel or module, HostError when KVM refuses. */
export async function createMachine(config: MachineConfig): Promise<Machine> {
  const releases: (() => void)[] = []
  const release = () => {
    for (const undo of releases.splice(0).reverse()) undo()
  }
  try {
    const kvm = orHostError('open /dev/kvm', () => KvmSystem.open())
    releases.push(() => kvm.close())
    const vm = orHostError('KVM_CREATE_VM', () => kvm.createVm())
    releases.push(() => vm.close())
    const ram = allocateRam(config.memoryBytes)
    releases.push(() => ram.close())
    prepareVm(vm, ram)

    const { reactor } = config
    const { ports, mmio, transports } = placeDevices(config, {
      vm,
      memory: ram.memory,
      reactor,
      releases,
      finish: (end) => handler.finish(end),
      settle: () => handler.settle(),
    })

    const kernel = loadKernel(config.kernel, ram.memory)
    const startInfo = writePvhBoot(ram.memory, {
      commandLine: [...transports.map((_, index) => virtioArgument(virtioSlot(index))), config.commandLine].join(' '),
      modules: placeModules(ram.memory, config.modules, kernel.end),
    })

    const vcpu = vm.createVcpu(0)
    releases.push(() => vcpu.close())
    const policy = config.policy ?? suggestAndApply(kvm, vcpu, 1, config.policyMemory)
    if (config.policy) applyCpuPolicy(vcpu, policy)
    setEntryState(vcpu, pvhEntryState(kernel.pvhEntry, startInfo))

    const names = {
      port: (port: number) => ports.find(port, 1)?.device.name,
      mmio: (gpa: number) => mmio.find(gpa, 1)?.device.name,
    }
    const handler = createExitHandler({
      vcpu,
      memory: ram.memory,
      ports,
      mmio,
      deferredWrites: deferredWrites(kvm, vcpu),
      names,
      trace: config.trace && createExitTrace(names, config.trace),
      drain: () => {
        for (const transport of transports) transport.drain()
      },
    })
    const runner = await createRunner(config.runner ?? 'pool', vcpu, {
      onExit: handler.onExit,
      onError: handler.onError,
      // A trace shows every exit, those that nobody answers too.
      claimedPorts: config.trace ? undefined : ports.ranges,
    })

    let closing: Promise<void> | undefined
    return {
      policy,
      ended: handler.ended,
      exits: handler.count,
      start() {
        reactor.start()
        runner.start()
      },
      pause: () => runner.pause(),
      resume: () => runner.resume(),
      stop() {
        handler.finish({ kind: 'stopped' })
        void runner.stop()
      },
      close() {
        closing ??= (async () => {
          handler.finish({ kind: 'stopped' })
          await runner.stop()
          // Devices let go of guest buffers before the memory goes.
          for (const transport of transports) transport.reset()
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

/** No device, no permission, a hypervisor of others that holds the processor (EBUSY), no memory: the host's to mend. */
function orHostError<T>(what: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new HostError(`Cannot create a virtual machine: ${what} gave ${code ?? cause}.`, {
      hint: 'Run `cloister doctor` to see what this host lacks, or use --isolation container.',
      cause,
    })
  }
}

/** Workers are loaded only for whoever asks: the module behind them is a millisecond of every start. */
async function createRunner(kind: 'pool' | 'worker', vcpu: VcpuFd, events: RunnerEvents): Promise<VcpuRunner> {
  if (kind === 'pool') return createPoolRunner(vcpu, events)
  const { createWorkerRunner } = await import('./worker-runner.ts')
  return createWorkerRunner(vcpu, events)
}

/**
 * Memory first: a change of the memory slots waits for every reader of the VM's tables (SRCU), and once a device has
 * been registered it waits for that one's grace period too, 7 ms instead of 0.2 on Linux 6.18. Interrupt controllers
 * before any vCPU, or that vCPU gets no local APIC.
 */
function prepareVm(vm: VmFd, ram: Ram): void {
  for (const [slot, { gpa, size, hva }] of ram.regions.entries()) {
    vm.setUserMemoryRegion({
      slot,
      flags: 0,
      guest_phys_addr: BigInt(gpa),
      memory_size: BigInt(size),
      userspace_addr: hva,
    })
  }
  vm.setTssAddr(TSS_GPA)
  vm.setIdentityMapAddr(IDENTITY_MAP_GPA)
  vm.createIrqchip()
}

/** The ring lies in every vCPU's mapping, as many pages into it as the capability says (api.rst). */
function deferredWrites(kvm: KvmSystem, vcpu: VcpuFd): CoalescedMmioRing {
  const page = kvm.checkExtension(CAP.KVM_CAP_COALESCED_MMIO)
  return new CoalescedMmioRing(vcpu.runPage.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))
}
