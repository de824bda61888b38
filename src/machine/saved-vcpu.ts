/**
 * A vCPU's state as plain JSON: the structs of KVM's own interface, byte by byte. The rows are in the order of restoring:
 * the rate of its TSC, whether it runs at all, registers, the local APIC, then the MSRs (its timer's deadline among them), pending events
 * last. api.rst, the KVM_GET_* and KVM_SET_* of a vCPU
 */
import type { Encodable, Fields, Struct, StructValue } from '../../kvm-bindings/layout.ts'
import { debugregs } from '../../kvm-bindings/structs/debug.ts'
import { xcrs } from '../../kvm-bindings/structs/fpu.ts'
import { regs } from '../../kvm-bindings/structs/regs.ts'
import { sregs } from '../../kvm-bindings/structs/sregs.ts'
import { vcpuEvents } from '../../kvm-bindings/structs/vcpu-events.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { HostError } from '../errors.ts'
import { type Json, type JsonObject, SavedFields } from '../virtio/saved-state.ts'
import { SAVED_MSRS } from './saved-msrs.ts'

/** A part of the state: read, and put back. */
interface Part {
  readonly name: string
  save(vcpu: VcpuFd): Json
  restore(vcpu: VcpuFd, state: Json | undefined): void
}

const MP_STATE_MAX = 10

const PARTS: readonly Part[] = [
  ofInteger(
    'tscKhz',
    0xffff_ffff,
    (vcpu) => vcpu.getTscKhz(),
    // KVM refuses a rate that it can neither scale to nor take for its own.
    (vcpu, khz) => {
      if (khz !== vcpu.getTscKhz()) vcpu.setTscKhz(khz)
    },
  ),
  ofInteger(
    'mpState',
    MP_STATE_MAX,
    (vcpu) => vcpu.getMpState(),
    (vcpu, mpState) => vcpu.setMpState(mpState),
  ),
  ofStruct(
    'regs',
    regs,
    (vcpu) => vcpu.getRegs(),
    (vcpu, value) => vcpu.setRegs(value),
  ),
  ofStruct(
    'sregs',
    sregs,
    (vcpu) => vcpu.getSregs(),
    (vcpu, value) => vcpu.setSregs(value),
  ),
  ofBytes(
    'xsave',
    (vcpu) => vcpu.getXsave(),
    (vcpu, bytes) => vcpu.setXsave(bytes),
  ),
  ofStruct(
    'xcrs',
    xcrs,
    (vcpu) => ({ nr_xcrs: vcpu.getXcrs().length, flags: 0, xcrs: vcpu.getXcrs(), padding: [] }),
    (vcpu, { nr_xcrs: count, xcrs: list }) => vcpu.setXcrs(list.slice(0, count)),
  ),
  ofStruct(
    'debugregs',
    debugregs,
    (vcpu) => vcpu.getDebugregs(),
    (vcpu, value) => vcpu.setDebugregs(value),
  ),
  ofBytes(
    'lapic',
    (vcpu) => vcpu.getLapic(),
    (vcpu, bytes) => vcpu.setLapic(bytes),
  ),
  { name: 'msrs', save: saveMsrs, restore: restoreMsrs },
  ofStruct(
    'events',
    vcpuEvents,
    (vcpu) => vcpu.getVcpuEvents(),
    (vcpu, value) => vcpu.setVcpuEvents(value),
  ),
]

/** While the vCPU is out of KVM_RUN and its last exit complete. */
export function saveVcpu(vcpu: VcpuFd): JsonObject {
  return Object.fromEntries(PARTS.map(({ name, save }) => [name, save(vcpu)]))
}

/**
 * Into a vCPU that has not run, programmed by the same policy.
 * @throws HostError when the state is none, or this KVM does not take it.
 */
export function restoreVcpu(vcpu: VcpuFd, state: Json | undefined): void {
  const saved = new SavedFields(`vCPU ${vcpu.id}`, state)
  for (const { name, restore } of PARTS) {
    try {
      restore(vcpu, saved.value(name))
    } catch (cause) {
      throw new HostError(`Cannot restore vCPU ${vcpu.id}: its ${name} are not taken.`, {
        hint: 'A VM goes on only where the KVM and the processor are as they were.',
        cause,
      })
    }
  }
}

function ofInteger(
  name: string,
  max: number,
  get: (vcpu: VcpuFd) => number,
  set: (vcpu: VcpuFd, value: number) => void,
): Part {
  return {
    name,
    save: get,
    restore: (vcpu, state) => set(vcpu, new SavedFields('vCPU', { [name]: state ?? null }).integer(name, max)),
  }
}

function ofBytes(
  name: string,
  get: (vcpu: VcpuFd) => Uint8Array,
  set: (vcpu: VcpuFd, bytes: Uint8Array) => void,
): Part {
  return {
    name,
    save: (vcpu) => Buffer.from(get(vcpu)).toString('base64'),
    restore: (vcpu, state) => set(vcpu, bytesOf(name, state)),
  }
}

function ofStruct<F extends Fields>(
  name: string,
  layout: Struct<F>,
  get: (vcpu: VcpuFd) => Encodable<Struct<F>>,
  set: (vcpu: VcpuFd, value: StructValue<F>) => void,
): Part {
  return {
    name,
    save: (vcpu) => Buffer.from(layout.encode(get(vcpu))).toString('base64'),
    restore(vcpu, state) {
      const bytes = bytesOf(name, state)
      if (bytes.length !== layout.size) throw new HostError(`Cannot restore: ${name} has ${bytes.length} bytes.`)
      set(vcpu, layout.decode(bytes))
    },
  }
}

export function bytesOf(name: string, state: Json | undefined): Uint8Array {
  if (typeof state !== 'string') throw new HostError(`Cannot restore: ${name} is no text.`)
  return new Uint8Array(Buffer.from(state, 'base64'))
}

/** One by one: KVM stops at the first it has not, and a software KVM lists some that it refuses. */
function saveMsrs(vcpu: VcpuFd): Json {
  return SAVED_MSRS.flatMap((index) => vcpu.getMsrs([index])).map(({ index, data }) => [
    index,
    `0x${data.toString(16)}`,
  ])
}

/** One that cannot be set is no matter when it holds the value anyway. */
function restoreMsrs(vcpu: VcpuFd, state: Json | undefined): void {
  const entries = new SavedFields('vCPU', { msrs: state ?? null }).array('msrs', SAVED_MSRS.length, (entry) => entry)
  for (const entry of entries) {
    const [index, value] = Array.isArray(entry) ? (entry as readonly Json[]) : []
    if (!SAVED_MSRS.includes(index as number) || typeof value !== 'string' || !/^0x[0-9a-f]{1,16}$/.test(value)) {
      throw new HostError('Cannot restore: an MSR is not one that was saved.')
    }
    const msr = { index: index as number, data: BigInt(value) }
    if (vcpu.setMsrs([msr]) === 1 || vcpu.getMsrs([msr.index])[0]?.data === msr.data) continue
    throw new HostError(`Cannot restore: MSR 0x${msr.index.toString(16)} does not take ${value}.`)
  }
}
