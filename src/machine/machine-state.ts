/**
 * All of a machine's state but its memory, as plain JSON: what KVM keeps, every device with its queues, and what its
 * processors are. Whoever keeps it keeps the memory of the same moment beside it.
 */
import { HostError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import type { MmioTransport } from '../virtio/mmio-transport.ts'
import { type Json, type JsonObject, type Savable, SavedFields } from '../virtio/saved-state.ts'
import { tellOfPause } from './clock.ts'
import type { CpuPolicy } from './cpu-policy.ts'
import { readCpuPolicy } from './cpu-policy-record.ts'
import { VIRTIO_SLOTS } from './device-table.ts'
import { writeGeneration } from './generation.ts'
import { noteTscShift } from './tsc-shift.ts'
import { type KvmParts, type RestoreOptions, restoreVmState, savedTscs, saveVmState } from './vm-state.ts'

export const MACHINE_STATE_SCHEMA = 'cloister-machine-state/1'

export interface MachineParts extends KvmParts {
  readonly memory: GuestMemory
  /** The line of its event device, where the guest has been told where the number of its generation is. */
  readonly raiseGeneration: (() => void) | undefined
  readonly policy: CpuPolicy
  readonly transports: readonly MmioTransport[]
  readonly ports: readonly (Savable & { readonly name: string })[]
}

/** While the machine is paused. */
export function saveMachine({ policy, transports, ports, ...kvm }: MachineParts): JsonObject {
  return {
    schema: MACHINE_STATE_SCHEMA,
    policy: policy as unknown as Json,
    kvm: saveVmState(kvm),
    devices: transports.map((transport) => transport.save()),
    ports: Object.fromEntries(ports.map((port) => [port.name, port.save()])),
  }
}

/** Of states that many machines are restored from, the policy was looked at. */
const policies = new WeakMap<object, CpuPolicy>()

/** The vCPUs are programmed from it before the rest can be restored. @throws HostError when there is none */
export function savedPolicy(state: Json): CpuPolicy {
  const known = policies.get(Object(state))
  if (known) return known
  const policy = readPolicy(state)
  policies.set(Object(state), policy)
  return policy
}

function readPolicy(state: Json): CpuPolicy {
  const saved = new SavedFields('the machine', state)
  const schema = saved.value('schema')
  if (schema === MACHINE_STATE_SCHEMA) return readCpuPolicy(saved.value('policy'))
  throw new HostError(`Cannot restore the machine: its state is not of version ${MACHINE_STATE_SCHEMA}.`, {
    hint: 'It was written by another version of Cloister, or is damaged.',
  })
}

/**
 * Into a machine made alike that has not started, over the memory of the same moment.
 * @throws HostError when the state is not one of such a machine.
 */
export function restoreMachine(parts: MachineParts, state: Json, options?: RestoreOptions): void {
  try {
    restoreParts(parts, state, options)
  } catch (cause) {
    if (cause instanceof HostError) throw cause
    // A device stumbled over what no device ever saved.
    throw new HostError('Cannot restore the machine: its state is not one of such a machine.', { cause })
  }
}

function restoreParts(parts: MachineParts, state: Json, options?: RestoreOptions): void {
  const { memory, raiseGeneration, transports, ports, vcpus } = parts
  const saved = new SavedFields('the machine', state)
  const devices = saved.array('devices', VIRTIO_SLOTS, (device) => device as JsonObject)
  if (devices.length !== transports.length) {
    throw new HostError(
      `Cannot restore the machine: its state has ${devices.length} virtio devices, it has ${transports.length}.`,
    )
  }
  const kvm = saved.value('kvm')
  restoreVmState(parts, kvm, options)
  noteTscShift(memory, vcpus, savedTscs(kvm))
  const portStates = new SavedFields('the ports', saved.value('ports'))
  for (const port of ports) port.restore(portStates.value(port.name))
  for (const [slot, transport] of transports.entries()) transport.restore(devices[slot]!)
  if (raiseGeneration) {
    writeGeneration(memory)
    raiseGeneration()
  }
  for (const vcpu of vcpus) tellOfPause(vcpu)
}
