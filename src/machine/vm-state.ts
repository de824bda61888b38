/**
 * What KVM keeps of a VM beside its memory, as plain JSON: every vCPU, the interrupt controllers, the interval timer and
 * the clock. vCPUs are restored first: the interrupt controllers hand on what is pending to their local APICs, and the
 * clock is counted from their TSC.
 */
import { KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE } from '../../kvm-bindings/constants.ts'
import { pitState2 } from '../../kvm-bindings/structs/irqchip.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import { HostError } from '../errors.ts'
import { hex, type Json, type JsonObject, SavedFields } from '../virtio/saved-state.ts'
import { restoreClock, saveClock } from './clock.ts'
import { bytesOf, restoreVcpu, type SavedTsc, savedTsc, saveVcpu } from './saved-vcpu.ts'

/** A VM as createMachine makes it. */
export interface KvmParts {
  readonly vm: VmFd
  readonly vcpus: readonly VcpuFd[]
  /** Whether it has an interval timer. */
  readonly pit: boolean
}

const IRQCHIPS = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC]
const IRQCHIP_SIZE = 512
/** No VM of ours has more. */
const VCPUS_MAX = 255

/** While no vCPU runs. The vCPUs come first: what is on its way to a local APIC arrives when its vCPU is looked at. */
export function saveVmState({ vm, vcpus, pit }: KvmParts): JsonObject {
  const saved = vcpus.map(saveVcpu)
  const { clock, realtime } = saveClock(vm)
  return {
    vcpus: saved,
    irqchips: IRQCHIPS.map((chip) => base64(vm.getIrqchip(chip))),
    pit: pit ? base64(pitState2.encode(vm.getPit2())) : null,
    clock: hex(clock),
    realtime: realtime === undefined ? null : hex(realtime),
  }
}

export interface RestoreOptions {
  /** Whether the time since the state was saved passes for the guest too; else its clock goes on where it stopped. */
  readonly elapsed?: boolean
}

/**
 * Into a VM made alike, whose vCPUs have not run.
 * @throws HostError when the state is none, is another VM's, or this KVM does not take it.
 */
export function restoreVmState(
  { vm, vcpus, pit }: KvmParts,
  state: Json,
  { elapsed = false }: RestoreOptions = {},
): void {
  const saved = new SavedFields('VM', state)
  const states = saved.array('vcpus', VCPUS_MAX, (one) => one)
  const chips = saved.array('irqchips', IRQCHIPS.length, (chip) => bytesOf('irqchips', chip))
  const timer = saved.value('pit')
  if (states.length !== vcpus.length) throw refused(`it has ${states.length} vCPUs, this VM ${vcpus.length}`)
  if ((timer !== null) !== pit) throw refused(pit ? 'it has no interval timer' : 'it has an interval timer')
  if (chips.length !== IRQCHIPS.length || chips.some(({ length }) => length !== IRQCHIP_SIZE)) {
    throw refused('its interrupt controllers are none')
  }
  for (const [index, vcpu] of vcpus.entries()) restoreVcpu(vcpu, states[index])
  for (const [index, chip] of IRQCHIPS.entries()) vm.setIrqchip(chip, chips[index]!)
  if (pit) vm.setPit2(pitState2.decode(exactly(bytesOf('pit', timer), pitState2.size)))
  const realtime = saved.value('realtime') === null ? undefined : saved.u64('realtime')
  restoreClock(vm, { clock: saved.u64('clock'), ...(realtime !== undefined && { realtime }) }, elapsed)
}

/** Of every vCPU, in the state of a VM. */
export const savedTscs = (state: Json): SavedTsc[] =>
  new SavedFields('VM', state).array('vcpus', VCPUS_MAX, (vcpu) => savedTsc(vcpu))

function exactly(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length !== size) throw refused('its interval timer is none')
  return bytes
}

const refused = (reason: string) => new HostError(`Cannot restore the VM from this state: ${reason}.`)
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
