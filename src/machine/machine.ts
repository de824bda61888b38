/**
 * One virtual machine, assembled top to bottom: memory, interrupt controllers, devices on their buses, kernel, vCPU.
 * The only place that ties devices to addresses, interrupt lines and event file descriptors.
 */
import { CAP } from '../../kvm-bindings/capabilities.ts'
import { CoalescedMmioRing } from '../../kvm-bindings/coalesced-mmio.ts'
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../kvm-bindings/constants.ts'
import { close, eventfd, eventfdWrite } from '../../kvm-bindings/ffi.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import type { ByteSink, ByteSource } from '../backends/streams.ts'
import { loadKernel } from '../boot/load-kernel.ts'
import { writePvhBoot } from '../boot/pvh.ts'
import { pvhControlRegisters, pvhRegisters, pvhSegments } from '../boot/pvh-cpu-state.ts'
import { Bus } from '../bus/bus.ts'
import { createExitPort } from '../devices/exit-port.ts'
import { createI8042 } from '../devices/i8042.ts'
import { createPanicPort } from '../devices/panic-port.ts'
import { createSerial } from '../devices/serial.ts'
import { BugError, HostError } from '../errors.ts'
import { IDENTITY_MAP_GPA, PAGE_SIZE, TSS_GPA } from '../memory/memory-map.ts'
import { allocateRam, type Ram } from '../memory/ram.ts'
import type { VirtioDevice } from '../virtio/device.ts'
import { createMmioTransport, type MmioTransport } from '../virtio/mmio-transport.ts'
import { DEFERRABLE_WRITES, MMIO_OFFSET } from '../virtio/registers.ts'
import { type BootModuleSource, placeModules } from './boot-modules.ts'
import { type CpuidPolicy, cpuidOf, hostCpuidPolicy } from './cpuid-policy.ts'
import { PORTS, VIRTIO_SLOTS, virtioArgument, virtioSlot } from './device-table.ts'
import { createExitHandler, type ExitHandler, type MachineEnd } from './exit-handler.ts'
import { createExitTrace } from './exit-trace.ts'
import { createPoolRunner } from './pool-runner.ts'
import { Reactor } from './reactor.ts'
import type { VcpuRunner } from './vcpu-runner.ts'
import { createWorkerRunner } from './worker-runner.ts'

export interface MachineConfig {
  readonly memoryBytes: number
  /** Path of an ELF kernel with a PVH entry. */
  readonly kernel: string
  /** The devices' arguments are put in front of it. */
  readonly commandLine: string
  readonly modules: readonly BootModuleSource[]
  /** In slot order: device n sits in window n. */
  readonly devices: readonly VirtioDevice[]
  readonly serial: { readonly sink: ByteSink; readonly source?: ByteSource }
  /** Which thread runs the vCPU; see vcpu-runner.ts. */
  readonly runner?: 'pool' | 'worker'
  /** Receives one line per exit. */
  readonly trace?: (line: string) => void
  readonly log?: (line: string) => void
}

export interface Machine {
  readonly cpuid: CpuidPolicy
  /** Resolves once, when the guest ended or `stop` was called. */
  readonly ended: Promise<MachineEnd>
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
  let memorySlots: Promise<void> = Promise.resolve()
  const release = async () => {
    await memorySlots.catch(() => {}) // nothing is closed under a call in flight
    for (const undo of releases.splice(0).reverse()) undo()
  }
  try {
    const kvm = openKvm()
    releases.push(() => kvm.close())
    const vm = kvm.createVm()
    releases.push(() => vm.close())
    const ram = allocateRam(config.memoryBytes)
    releases.push(() => ram.close())
    prepareVm(vm)

    const reactor = new Reactor()
    releases.push(() => void reactor.close())
    const { ports, mmio, transports } = placeDevices(config, vm, ram, reactor, releases, {
      finish: (end) => handler.finish(end),
      settle: () => handler.settle(),
    })
    memorySlots = addMemorySlots(vm, ram)

    const kernel = loadKernel(config.kernel, ram.memory)
    const startInfo = writePvhBoot(ram.memory, {
      commandLine: [...transports.map((_, index) => virtioArgument(virtioSlot(index))), config.commandLine].join(' '),
      modules: placeModules(ram.memory, config.modules, kernel.end),
    })

    const cpuid = hostCpuidPolicy(kvm.supportedCpuid(), { tscDeadline: true, cpus: 1 })
    const vcpu = vm.createVcpu(0)
    releases.push(() => vcpu.close())
    vcpu.setCpuid2(cpuidOf(cpuid, 0))
    setPvhState(vcpu, kernel.pvhEntry, startInfo)

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
    const createRunner = config.runner === 'worker' ? createWorkerRunner : createPoolRunner
    const runner: VcpuRunner = createRunner(vcpu, {
      onExit: handler.onExit,
      onError: handler.onError,
      // A trace shows every exit, those that nobody answers too.
      claimedPorts: config.trace ? undefined : ports.ranges,
    })

    await memorySlots
    let closing: Promise<void> | undefined
    return {
      cpuid,
      ended: handler.ended,
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
          await reactor.close()
          // Devices let go of guest buffers before the memory goes.
          for (const transport of transports) transport.reset()
          await release()
        })()
        return closing
      },
    }
  } catch (error) {
    await release()
    throw error
  }
}

function openKvm(): KvmSystem {
  try {
    return KvmSystem.open()
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new HostError(`Cannot create a virtual machine: open /dev/kvm gave ${code ?? cause}.`, {
      hint: 'Run `cloister doctor` to see what this host lacks, or use --isolation container.',
      cause,
    })
  }
}

/** Interrupt controllers before any vCPU, or that vCPU gets no local APIC. */
function prepareVm(vm: VmFd): void {
  vm.setTssAddr(TSS_GPA)
  vm.setIdentityMapAddr(IDENTITY_MAP_GPA)
  vm.createIrqchip()
}

/**
 * Last of what makes KVM wait for a grace period of its own (SRCU), and beside the main thread: devices registered
 * before share the wait, devices registered after would make the VM's end wait again. Together 15 of 24 ms, measured
 * on Linux 6.18.
 */
async function addMemorySlots(vm: VmFd, ram: Ram): Promise<void> {
  for (const [slot, { gpa, size, hva }] of ram.regions.entries()) {
    await vm.setUserMemoryRegionAsync({
      slot,
      flags: 0,
      guest_phys_addr: BigInt(gpa),
      memory_size: BigInt(size),
      userspace_addr: hva,
    })
  }
}

function placeDevices(
  config: MachineConfig,
  vm: VmFd,
  ram: Ram,
  reactor: Reactor,
  releases: (() => void)[],
  { finish, settle }: Pick<ExitHandler, 'finish' | 'settle'>,
) {
  const newEventfd = () => {
    const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    releases.push(() => close(fd))
    return fd
  }
  /** An interrupt line: a write to the eventfd raises an edge on the GSI, no ioctl needed. */
  const line = (gsi: number) => {
    const fd = newEventfd()
    vm.irqfd({ fd, gsi })
    return () => eventfdWrite(fd, 1n)
  }

  const ports = new Bus()
  const { serial, exit, panic, i8042 } = PORTS
  ports.add(serial.base, serial.size, createSerial({ ...config.serial, raiseInterrupt: line(serial.gsi) }))
  ports.add(
    exit.base,
    exit.size,
    createExitPort((value) => finish({ kind: 'exitPort', value })),
  )
  ports.add(
    panic.base,
    panic.size,
    createPanicPort(() => finish({ kind: 'panic' })),
  )
  ports.add(
    i8042.base,
    i8042.size,
    createI8042(() => finish({ kind: 'reset' })),
  )

  if (config.devices.length > VIRTIO_SLOTS) throw new BugError(`Cannot place more than ${VIRTIO_SLOTS} virtio devices.`)
  const mmio = new Bus()
  const transports: MmioTransport[] = config.devices.map((device, index) => {
    const { gpa, size, gsi } = virtioSlot(index)
    const transport = createMmioTransport({
      device,
      memory: ram.memory,
      raiseInterrupt: line(gsi),
      log: config.log,
    })
    mmio.add(gpa, size, transport)
    // A trace shows every exit: nothing is deferred then.
    for (const { offset, size } of config.trace ? [] : DEFERRABLE_WRITES)
      vm.registerCoalescedMmio(BigInt(gpa + offset), size)
    // virtio 1.2 §4.2.2: the driver writes the queue's number to QueueNotify; one eventfd per number.
    for (let queue = 0; queue < transport.queueCount; queue++) {
      const fd = newEventfd()
      vm.ioeventfd({ addr: BigInt(gpa + MMIO_OFFSET.QueueNotify), len: 4, fd, datamatch: BigInt(queue) })
      reactor.watchEventfd(fd, () => {
        settle()
        transport.notify(queue)
      })
    }
    return transport
  })
  return { ports, mmio, transports }
}

/** The ring lies in every vCPU's mapping, as many pages into it as the capability says (api.rst). */
function deferredWrites(kvm: KvmSystem, vcpu: VcpuFd): CoalescedMmioRing {
  const page = kvm.checkExtension(CAP.KVM_CAP_COALESCED_MMIO)
  return new CoalescedMmioRing(vcpu.runPage.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))
}

function setPvhState(vcpu: VcpuFd, entry: number, startInfo: number): void {
  vcpu.setSregs({ ...vcpu.getSregs(), ...pvhSegments, ...pvhControlRegisters })
  vcpu.setRegs({ ...vcpu.getRegs(), ...pvhRegisters(entry, startInfo) })
}
