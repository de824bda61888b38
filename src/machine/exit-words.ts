/** Says a VM exit in the words of the KVM API documentation (api.rst, "The kvm_run structure"), for people. */
import { exitReasonName, type VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'

export interface DeviceNames {
  port(port: number): string | undefined
  mmio(gpa: number): string | undefined
}

/** api.rst KVM_EXIT_INTERNAL_ERROR, suberrors. */
const SUBERRORS: Record<number, string> = {
  1: 'emulation failure: this KVM has to emulate the instruction at rip and cannot',
  2: 'unexpected simultaneous exceptions',
  3: 'unexpected exit while an event was being delivered',
  4: 'unexpected exit reason from the processor',
}

export const hex = (value: number | bigint) => `0x${value.toString(16)}`

const little = (data: Uint8Array) => {
  let value = 0n
  for (let index = Math.min(data.length, 8) - 1; index >= 0; index--) value = (value << 8n) | BigInt(data[index]!)
  return hex(value)
}

const printable = (data: Uint8Array) =>
  data.length === 1 && data[0]! >= 0x20 && data[0]! < 0x7f ? ` '${String.fromCharCode(data[0]!)}'` : ''

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`

const NOTHING = 'nothing is there'

/** What the guest was given for a read, once it is answered; nothing for other exits. */
export function describeAnswer(exit: VcpuExit): string {
  const reads = exit.kind === 'mmioRead' || (exit.kind === 'io' && exit.direction === 'in')
  return reads ? `: ${little(exit.data)}${printable(exit.data)}` : ''
}

/** One line, no name of the exit reason in front. */
export function describeExit(exit: VcpuExit, names: DeviceNames): string {
  switch (exit.kind) {
    case 'io': {
      const device = names.port(exit.port) ?? NOTHING
      const repeated = exit.count > 1 ? ` ${exit.count} times` : ''
      return exit.direction === 'out'
        ? `the guest wrote ${plural(exit.size, 'byte')}${repeated} to port ${hex(exit.port)} (${device}): ${little(exit.data)}${printable(exit.data)}`
        : `the guest reads ${plural(exit.size, 'byte')}${repeated} from port ${hex(exit.port)} (${device})`
    }
    case 'mmioWrite':
      return `the guest wrote ${plural(exit.data.length, 'byte')} at ${hex(exit.gpa)} (${names.mmio(exit.gpa) ?? NOTHING}): ${little(exit.data)}`
    case 'mmioRead':
      return `the guest reads ${plural(exit.data.length, 'byte')} at ${hex(exit.gpa)} (${names.mmio(exit.gpa) ?? NOTHING})`
    case 'hlt':
      return 'the vCPU executed HLT'
    case 'shutdown':
      return 'the vCPU shut down (triple fault: an exception could not be delivered)'
    case 'failEntry':
      return `the processor refused to enter the guest (hardware reason ${hex(exit.hardwareReason)})`
    case 'internalError':
      return `KVM gave up: ${SUBERRORS[exit.suberror] ?? `suberror ${exit.suberror}`}`
    case 'systemEvent':
      return `the guest asked for a system event of type ${exit.type}`
    case 'interrupted':
      return 'KVM_RUN was interrupted by a signal to the vCPU thread'
    case 'unknown':
      return `KVM gave exit reason ${exit.reason} (hardware reason ${hex(exit.hardwareReason)})`
    default:
      return exitReasonName(exit.reason)
  }
}
