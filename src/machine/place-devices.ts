/**
 * Puts every device where the device table says: its range on a bus, its interrupt line as an irqfd, its queue kicks as
 * ioeventfds. The only place that ties devices to addresses, lines and event file descriptors.
 */
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../kvm-bindings/constants.ts'
import { close, eventfd, eventfdWrite } from '../../kvm-bindings/ffi.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import type { Reactor } from '../backends/reactor.ts'
import type { ByteSink, ByteSource } from '../backends/streams.ts'
import { Bus } from '../bus/bus.ts'
import { createExitPort } from '../devices/exit-port.ts'
import { createI8042 } from '../devices/i8042.ts'
import { createPanicPort } from '../devices/panic-port.ts'
import { createSerial } from '../devices/serial.ts'
import { createSleepPort } from '../devices/sleep-port.ts'
import { BugError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import type { VirtioDevice } from '../virtio/device.ts'
import { createMmioTransport, type MmioTransport } from '../virtio/mmio-transport.ts'
import { DEFERRABLE_WRITES, MMIO_OFFSET } from '../virtio/registers.ts'
import { GENERATION_GSI, PORTS, VIRTIO_SLOTS, virtioSlot } from './device-table.ts'
import type { EndRequest } from './exit-handler.ts'
import type { RegisterPages } from './register-pages.ts'

export interface DevicePlan {
  /** Tables of ACPI, for kernels that look for them; and the line of their event device. */
  readonly acpi?: boolean
  /** In slot order: device n sits in window n. */
  readonly devices: readonly VirtioDevice[]
  readonly serial: { readonly sink: ByteSink; readonly source?: ByteSource }
  /** Receives one line per exit. */
  readonly trace?: (line: string) => void
  readonly log?: (line: string) => void
}

/** What the machine lends for placing: `releases` collects how to undo it. */
interface Site {
  readonly vm: VmFd
  readonly memory: GuestMemory
  readonly reactor: Reactor
  readonly releases: (() => void)[]
  readonly finish: (end: EndRequest) => void
  /** Delivers the register writes that KVM kept back. */
  readonly settle: () => void
  /** What the guest reads in place of a device's registers; not there under a trace, which shows every access. */
  readonly registerPages: RegisterPages | undefined
}

export function placeDevices(plan: DevicePlan, site: Site) {
  const transports = plan.devices.length <= VIRTIO_SLOTS ? plan.devices.map((_, slot) => connect(plan, slot, site)) : []
  if (transports.length < plan.devices.length) {
    throw new BugError(`Cannot place ${plan.devices.length} virtio devices: there are ${VIRTIO_SLOTS} slots.`)
  }
  const mmio = new Bus()
  for (const [slot, transport] of transports.entries()) mmio.add(virtioSlot(slot).gpa, virtioSlot(slot).size, transport)
  const rows = portDevices(plan, site)
  const ports = new Bus()
  for (const { at, device } of rows) ports.add(at.base, at.size, device)
  /** Tells the guest that it is another generation of itself. */
  const raiseGeneration = plan.acpi ? interruptLine(GENERATION_GSI, site) : undefined
  return { ports, portDevices: rows.map(({ device }) => device), mmio, transports, raiseGeneration }
}

function portDevices({ serial }: DevicePlan, site: Site) {
  const { finish } = site
  return [
    { at: PORTS.serial, device: createSerial({ ...serial, raiseInterrupt: interruptLine(PORTS.serial.gsi, site) }) },
    { at: PORTS.exit, device: createExitPort((value) => finish({ kind: 'exitPort', value })) },
    { at: PORTS.panic, device: createPanicPort(() => finish({ kind: 'panic' })) },
    { at: PORTS.i8042, device: createI8042(() => finish({ kind: 'reset' })) },
    { at: PORTS.sleep, device: createSleepPort(PORTS.sleep.offType, () => finish({ kind: 'powerOff' })) },
  ]
}

function connect({ devices, trace, log }: DevicePlan, slot: number, site: Site): MmioTransport {
  const { vm, memory, reactor, releases, settle } = site
  const { gpa, gsi } = virtioSlot(slot)
  const transport = createMmioTransport({
    device: devices[slot]!,
    memory,
    raiseInterrupt: interruptLine(gsi, site),
    settle,
    page: site.registerPages?.page(slot),
    log,
  })
  // Devices let go of guest buffers before the memory goes, of a machine that never came to be too.
  releases.push(() => transport.reset())
  // A trace shows every exit: nothing is kept back then.
  for (const { offset, size } of trace ? [] : DEFERRABLE_WRITES) vm.registerCoalescedMmio(BigInt(gpa + offset), size)
  // virtio 1.2 §4.2.2: the driver writes the queue's number to QueueNotify; one eventfd per number.
  for (let queue = 0; queue < transport.queueCount; queue++) {
    const fd = newEventfd(site)
    vm.ioeventfd({ addr: BigInt(gpa + MMIO_OFFSET.QueueNotify), len: 4, fd, datamatch: BigInt(queue) })
    reactor.watchEventfd(fd, () => {
      settle()
      transport.notify(queue)
    })
    releases.push(() => reactor.unwatch(fd))
  }
  return transport
}

/** A write to the eventfd raises an edge on the line, no ioctl needed. */
function interruptLine(gsi: number, site: Site): () => void {
  const fd = newEventfd(site)
  site.vm.irqfd({ fd, gsi })
  return () => eventfdWrite(fd, 1n)
}

function newEventfd({ releases }: Site): number {
  const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  releases.push(() => close(fd))
  return fd
}
