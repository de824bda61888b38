/** Answers VM exits: port and memory-mapped accesses go to their bus, everything else ends the guest with a reason. */
import type { CoalescedMmioRing } from '../../kvm-bindings/coalesced-mmio.ts'
import { KVM_INTERNAL_ERROR_EMULATION } from '../../kvm-bindings/constants.ts'
import type { VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { Bus } from '../bus/bus.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { hasInstruction, reportDeath } from './exit-report.ts'
import type { ExitTrace } from './exit-trace.ts'
import { type DeviceNames, describeExit } from './exit-words.ts'
import type { RunnerEvents } from './vcpu-runner.ts'

/** What ends a machine without a word about why. */
export type PlainEnd =
  | { readonly kind: 'exitPort'; readonly value: number }
  /** The guest asked for a reboot. */
  | { readonly kind: 'reset' }
  /** The guest switched itself off. */
  | { readonly kind: 'powerOff' }
  /** `stop` or `close` was called. */
  | { readonly kind: 'stopped' }

/** What a device or the machine says to end it. */
export type EndRequest = PlainEnd | { readonly kind: 'panic' }

/** How a machine came to its end. */
export type MachineEnd =
  | PlainEnd
  /** The guest kernel said that it gave up; the report is a paragraph. */
  | { readonly kind: 'panic'; readonly report: string }
  /** The guest did what no guest survives; the report is a paragraph. */
  | { readonly kind: 'died'; readonly report: string }

export interface ExitHandlerParts {
  readonly memory: GuestMemory
  readonly ports: Bus
  readonly mmio: Bus
  /** Writes that KVM kept back: they come before whatever the guest did next. */
  readonly deferredWrites: CoalescedMmioRing
  readonly names: DeviceNames
  readonly trace: ExitTrace | undefined
  /** Lets devices finish what the guest queued before it ended. */
  readonly drain: () => void
}

const TRACE_ADVICE = 'Try --trace exits to see what it did before.'
const NOTHING_ADVICE = `It is neither RAM nor a device. ${TRACE_ADVICE}`
const NO_INSTRUCTION =
  'it jumped to an address where there is no memory, through a wrong pointer or a damaged stack perhaps'
const EMULATION_ADVICE =
  'This KVM emulates kernel mode in software and lacks this instruction (cloister doctor says which KVM it is); hardware KVM would run it. Try another kernel, or another host.'

export type ExitHandler = ReturnType<typeof createExitHandler>

export function createExitHandler(parts: ExitHandlerParts) {
  const { memory, ports, mmio, deferredWrites, names, trace, drain } = parts
  /** Whose exit is being answered: that one is out of KVM_RUN, and its state may be read. */
  let vcpu: VcpuFd | undefined
  let end: MachineEnd | undefined
  let count = 0
  let resolveEnded: (end: MachineEnd) => void
  const ended = new Promise<MachineEnd>((resolve) => {
    resolveEnded = resolve
  })

  /** The first end counts. What the guest queued before it still reaches the host. */
  const conclude = (reason: MachineEnd) => {
    if (end) return
    end = reason
    drain()
    resolveEnded(reason)
  }

  const report = (happened: string, advice: string) =>
    vcpu ? reportDeath(vcpu, memory, happened, advice) : `The guest died: ${happened}. ${advice}`

  /** A panic comes by a port write: a vCPU is out of KVM_RUN. */
  const finish = (request: EndRequest) => {
    if (end) return
    if (request.kind !== 'panic') conclude(request)
    else conclude({ ...request, report: report('its kernel gave up (panic port)', TRACE_ADVICE) })
  }

  const die = (exit: VcpuExit, advice: string) => {
    conclude({ kind: 'died', report: report(describeExit(exit, names), advice) })
  }

  /** KVM fetches an instruction that is not there by emulation, and fails at that. */
  const emulationFailed = (exit: VcpuExit) => {
    if (vcpu && hasInstruction(vcpu, memory)) die(exit, EMULATION_ADVICE)
    else conclude({ kind: 'died', report: report(NO_INSTRUCTION, TRACE_ADVICE) })
  }

  const deliver = (gpa: number, data: Uint8Array) => void mmio.write(gpa, data)
  const settle = () => deferredWrites.drain(deliver)

  const answer = (exit: VcpuExit) => {
    switch (exit.kind) {
      case 'io':
        // A string instruction (`rep outsb`) arrives as one exit with a count; the data follow each other.
        for (let at = 0; at < exit.data.length && !end; at += exit.size) {
          const data = exit.data.subarray(at, at + exit.size)
          if (exit.direction === 'out') ports.write(exit.port, data)
          else ports.read(exit.port, data)
        }
        break
      case 'mmioWrite':
        if (!mmio.write(exit.gpa, exit.data)) die(exit, NOTHING_ADVICE)
        break
      case 'mmioRead':
        if (!mmio.read(exit.gpa, exit.data)) die(exit, NOTHING_ADVICE)
        break
      case 'interrupted':
      case 'irqWindowOpen':
        break
      case 'internalError':
        if (exit.suberror === KVM_INTERNAL_ERROR_EMULATION) emulationFailed(exit)
        else die(exit, TRACE_ADVICE)
        break
      default:
        die(exit, TRACE_ADVICE)
    }
  }

  /** Exits come one after the other, whichever vCPU they are of: all are answered on the main thread, at once. */
  const onExitOf =
    (from: VcpuFd): RunnerEvents['onExit'] =>
    (exit) => {
      count++
      vcpu = from
      try {
        settle()
        // Another vCPU may have ended the guest meanwhile: what comes after that has no effect.
        if (!end) answer(exit)
        trace?.(exit, from.id)
      } finally {
        vcpu = undefined
      }
      return end ? 'stop' : 'continue'
    }

  const onError: RunnerEvents['onError'] = (error) =>
    conclude({ kind: 'died', report: `The guest was stopped: ${error.message}.` })

  return { ended, count: () => count, finish, settle, onExitOf, onError }
}
