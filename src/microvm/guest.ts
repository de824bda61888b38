/** The virtual machine of a microVM: our devices around a Linux whose init is our agent. */
import { AGENT_PORT } from '../agent/protocol.ts'
import type { ByteSink } from '../backends/streams.ts'
import type { VsockDuplex } from '../backends/vsock-duplex.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { type RunnerKind, runnerKind } from '../machine/choose-runner.ts'
import { createMachine, type Machine, type MachineConfig } from '../machine/machine.ts'
import { sizeThreadPool } from '../machine/thread-pool.ts'
import type { Ram } from '../memory/ram.ts'
import { agentPath } from '../paths.ts'
import type { MachineShape } from '../snapshot/manifest.ts'
import { machineFrom, type OpenSnapshot } from '../snapshot/open-snapshot.ts'
import type { AttachContext } from '../vmm/attach.ts'
import { policyMemory } from '../vmm/policy-memory.ts'
import { attachMicrovm, type MicrovmDevices } from './devices.ts'
import type { GuestLinux } from './guest-linux.ts'
import { initramfs } from './initramfs.ts'
import { kernelArguments } from './kernel-arguments.ts'
import { findModules, readModules } from './kernel-modules.ts'

/** The level of a snapshot of a guest that has booted and does nothing yet; `clone` knows nothing of it. */
export const BOOTED = 'booted'

export interface GuestOrder {
  readonly spec: RunSpec
  readonly linux: GuestLinux
  /** Path of the root image. */
  readonly image: string
  readonly context: AttachContext
  /** Where the kernel's words go. */
  readonly serial: ByteSink
  /** Threads of the pool that reading the caller's input may occupy. */
  readonly inputThreads: number
  readonly runner?: RunnerKind | undefined
  readonly trace?: ((line: string) => void) | undefined
}

export interface Guest {
  /** It goes on from a snapshot: its agent waits to be called. */
  readonly restored: boolean
  /** From one that nobody had given any disks yet. */
  readonly exchanged: boolean
  readonly machine: Machine
  readonly devices: MicrovmDevices
  readonly ram: Ram
  /** What one must be that goes on from a snapshot of it. */
  readonly shape: MachineShape
  /** The stream to the agent: the first one once it is up, further ones at once. */
  agentStream(): Promise<VsockDuplex>
  close(): Promise<void>
}

/** The snapshot is of no use here. */
export class RestoreFailure extends Error {}

/**
 * @param from goes on from there instead of booting
 * @throws UsageError, HostError, RestoreFailure; nothing stays open then
 */
export async function openGuest(order: GuestOrder, from?: OpenSnapshot): Promise<Guest> {
  const { spec, linux, context, serial, inputThreads, trace } = order
  const restored = from !== undefined
  const exchanged = from?.manifest.level === BOOTED
  const devices = await attachMicrovm(spec, order.image, { ...context, restored, exchanged })
  const plan = from ? machineFrom(from) : bootPlan(spec, linux)
  try {
    const otherThreads = context.reactor.threads + inputThreads + devices.threads
    // One vCPU hops between the pool's threads too, when there are others.
    const runner = order.runner ?? runnerKind(spec.cpus + otherThreads)
    sizeThreadPool(runner === 'pool' ? spec.cpus : 0, otherThreads)
    let ram: Ram | undefined
    const machine = await createMachine({
      memoryBytes: spec.memoryBytes,
      cpus: spec.cpus,
      ...plan,
      devices: devices.devices,
      reactor: context.reactor,
      serial: { sink: serial },
      // What is remembered is that of the usual VM, with one.
      policyMemory: spec.cpus === 1 ? policyMemory() : undefined,
      runner,
      onRam(made) {
        ram = made
        devices.onRam?.(made)
      },
      trace,
      log: context.log,
    })
    // The agent calls before it does anything else: nobody else in the guest can be quicker.
    let calls = restored ? undefined : devices.ports.acceptOne(AGENT_PORT)
    return {
      restored,
      exchanged,
      machine,
      devices,
      ram: ram!,
      shape: shapeOf(spec, plan, devices),
      agentStream() {
        const stream = calls ?? devices.ports.open(AGENT_PORT)
        calls = undefined
        return stream
      },
      async close() {
        await machine.close()
        devices.close()
      },
    }
  } catch (error) {
    devices.close()
    throw restored ? new RestoreFailure((error as Error).message, { cause: error }) : error
  }
}

type Plan = Pick<MachineConfig, 'kernel' | 'commandLine' | 'modules' | 'acpi' | 'pit'>

/** What is booted, and how. */
function bootPlan({ append = '', initrd }: RunSpec, linux: GuestLinux): Plan {
  const { path, flavour } = linux
  return {
    kernel: path,
    commandLine: [kernelArguments({ flavour }), append].filter(Boolean).join(' '),
    modules: [initramfs({ agent: agentPath, ...(initrd === undefined ? modulesOf(linux) : { initrd }) })],
    // A kernel for software KVM is built without ACPI, and told of its clock by its arguments.
    acpi: flavour !== 'software-kvm' && !/(^|\s)acpi=off(\s|$)/.test(append),
    // Without one Linux reads its ports fifty thousand times before it gives up calibrating by it.
    pit: true,
  }
}

/** Ours have all built in; whoever brings an initial RAM disk of his own brings what is to be loaded in it. */
function modulesOf({ path, flavour }: GuestLinux) {
  const index = flavour === 'foreign' ? findModules(path) : undefined
  return index ? { modules: readModules(index) } : {}
}

const shapeOf = ({ memoryBytes, cpus }: RunSpec, { acpi, pit }: Plan, { devices }: MicrovmDevices): MachineShape => ({
  memoryBytes,
  cpus,
  acpi: acpi ?? false,
  pit: pit ?? false,
  devices: devices.map(({ name }) => name),
})
