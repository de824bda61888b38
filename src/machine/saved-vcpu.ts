/**
 * A vCPU's state as plain JSON: the structs of KVM's own interface, byte by byte. The rows are in the order of restoring:
 * the rate of its TSC, whether it runs at all, registers, the local APIC, then the MSRs (its timer's deadline among them), pending events
 * last. api.rst, the KVM_GET_* and KVM_SET_* of a vCPU
 */
import type { MsrEntry, MsrInit } from '../../kvm-bindings/structs/msr.ts'
import type { StatePart, VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { HostError } from '../errors.ts'
import { type Json, type JsonObject, SavedFields } from '../virtio/saved-state.ts'
import { IA32_TSC, IA32_TSC_DEADLINE, SAVED_MSRS } from './saved-msrs.ts'

/** A part of the state: read, and put back. */
interface Part {
  readonly name: string
  save(vcpu: VcpuFd): Json
  restore(vcpu: VcpuFd, state: Json | undefined): void
}

const MP_STATE_MAX = 10
const SAVABLE: ReadonlySet<number> = new Set(SAVED_MSRS)

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
  ofState('regs'),
  ofState('sregs'),
  ofBytes(
    'xsave',
    (vcpu) => vcpu.getXsave(),
    (vcpu, bytes) => vcpu.setXsave(bytes),
  ),
  ofState('xcrs'),
  ofState('debugregs'),
  ofState('lapic'),
  { name: 'msrs', save: saveMsrs, restore: restoreMsrs },
  ofState('events'),
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

function ofState(name: StatePart): Part {
  return ofBytes(
    name,
    (vcpu) => vcpu.getState(name),
    (vcpu, bytes) => vcpu.setState(name, bytes),
  )
}

export function bytesOf(name: string, state: Json | undefined): Uint8Array {
  if (typeof state !== 'string') throw new HostError(`Cannot restore: ${name} is no text.`)
  return new Uint8Array(Buffer.from(state, 'base64'))
}

/** KVM stops at the first it has not, and a software KVM lists some that it refuses. */
function saveMsrs(vcpu: VcpuFd): Json {
  return everyMsr(SAVED_MSRS, (indices) => vcpu.getMsrs(indices)).map(({ index, data }) => [
    index,
    `0x${data.toString(16)}`,
  ])
}

/** What can be read of them, asked for together as far as KVM goes. */
function everyMsr(indices: readonly number[], read: (indices: readonly number[]) => MsrEntry[]): MsrEntry[] {
  const found: MsrEntry[] = []
  for (let next = 0; next < indices.length; next++) {
    const some = read(indices.slice(next))
    found.push(...some)
    next += some.length
  }
  return found
}

/** One that cannot be set is no matter when it holds the value anyway. */
function restoreMsrs(vcpu: VcpuFd, state: Json | undefined): void {
  const msrs = readMsrs(state)
  for (let next = 0; next < msrs.length; next++) {
    next += vcpu.setMsrs(msrs.slice(next))
    const refused = msrs[next]
    if (!refused || vcpu.getMsrs([refused.index])[0]?.data === refused.data) continue
    const [index, value] = [refused.index, refused.data].map((number) => `0x${number.toString(16)}`)
    throw new HostError(`Cannot restore: MSR ${index} does not take ${value}.`)
  }
}

export interface SavedTsc {
  readonly tsc: bigint | undefined
  /** When its timer is due, by that TSC; 0 when it is not. */
  readonly deadline: bigint | undefined
}

/** Of a saved vCPU. */
export function savedTsc(state: Json | undefined): SavedTsc {
  const msrs = new Map(readMsrs(new SavedFields('vCPU', state).value('msrs')).map(({ index, data }) => [index, data]))
  return { tsc: msrs.get(IA32_TSC), deadline: msrs.get(IA32_TSC_DEADLINE) }
}

const readMsrs = (state: Json | undefined): MsrInit[] =>
  new SavedFields('vCPU', { msrs: state ?? null }).array('msrs', SAVED_MSRS.length, readMsr)

function readMsr(entry: Json): MsrInit {
  const [index, value] = Array.isArray(entry) ? (entry as readonly Json[]) : []
  if (!SAVABLE.has(index as number) || typeof value !== 'string' || !/^0x[0-9a-f]{1,16}$/.test(value)) {
    throw new HostError('Cannot restore: an MSR is not one that was saved.')
  }
  return { index: index as number, data: BigInt(value) }
}
