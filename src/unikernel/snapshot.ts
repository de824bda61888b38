/**
 * Snapshots of a unikernel, and going on from one. The program is held at a point that the guest kernel chooses: it
 * stands in no answer of the random number generator there, and does nothing before it was told who it is from now on.
 */
import { hostRandom } from '../backends/random-source.ts'
import { HostError, UsageError } from '../errors.ts'
import type { SnapshotFacts, SnapshotOrder } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { Machine } from '../machine/machine.ts'
import type { Ram } from '../memory/ram.ts'
import { machineFrom, type OpenSnapshot, openSnapshot } from '../snapshot/open-snapshot.ts'
import { savedState, specToSave } from '../snapshot/saved-run.ts'
import { takeSnapshot } from '../snapshot/take-snapshot.ts'
import { type Json, type JsonObject, SavedFields } from '../virtio/saved-state.ts'
import type { Attached, NetworkPlace } from '../vmm/attach.ts'
import { disksToRestore, disksToSave } from '../vmm/snapshot-disks.ts'
import { ENTROPY_BYTES } from './abi.ts'
import type { Release } from './control-channel.ts'
import type { GuestStreams, InputState } from './guest-streams.ts'
import { hasAcpi, hasPit } from './own-kernel.ts'

export const LEVEL = 'unikernel'
/** Of what is said to a guest that goes on (guest-kernel/include/abi.h). */
const RELEASE_ABI = 1
/** A guest kernel holds its program within a millisecond; a busy host may keep it from that for seconds. */
const HOLD_MS = 10_000
/** Whoever reads the output is given this long to take what was written before. */
const FLUSH_MS = 200

export interface SnapshotSubject {
  readonly spec: RunSpec
  readonly machine: Machine
  readonly ram: Ram
  readonly attached: Attached
  /** In slot order. */
  readonly devices: readonly { readonly name: string }[]
  /** Not there when a kernel of the user's own runs: that one hears of its copies by ACPI. */
  readonly streams: GuestStreams | undefined
  /** Its user has it stand still. */
  readonly paused: () => boolean
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>
}

export async function snapshotUnikernel(
  subject: SnapshotSubject,
  { directory, base }: SnapshotOrder,
  signal: AbortSignal,
): Promise<SnapshotFacts> {
  const { spec, machine, ram, attached, streams } = subject
  if (!streams && !hasAcpi(spec)) {
    const hint = 'It hears of them by ACPI: run it without acpi=off.'
    throw refused(spec, 'its kernel could not be told of the copies', hint)
  }
  const release = streams && (await hold(subject, streams))
  let opened: OpenSnapshot | undefined
  try {
    const { files, saved } = disksToSave(attached.disks ?? [])
    if (base !== undefined) opened = await openSnapshot(base, { level: LEVEL })
    const { manifest: _, ...facts } = await takeSnapshot(
      { machine, ram, keepPaused: subject.paused },
      {
        directory,
        level: LEVEL,
        spec: specToSave(spec, { abi: RELEASE_ABI, input: inputOf(streams), disks: saved }),
        machine: {
          memoryBytes: spec.memoryBytes,
          cpus: spec.cpus,
          acpi: hasAcpi(spec),
          pit: hasPit(spec),
          devices: subject.devices.map(({ name }) => name),
        },
        files,
        signal,
        ...(opened && { base: opened }),
        ...(release && { onContinued: release }),
      },
    )
    return facts
  } catch (error) {
    throw signal.aborted ? refused(spec, 'it has just ended') : error
  } finally {
    release?.()
    opened?.close()
    // It was held running; what failed after that is no reason for it to go on.
    if (subject.paused() && !machine.isPaused()) await machine.pause()
  }
}

const inputOf = (streams: GuestStreams | undefined): Json => (streams ? { ...streams.state() } : null)

/** One that stands still goes on for as long as its kernel takes to hold it. @returns what lets it go on, once */
async function hold({ spec, machine, paused, ended }: SnapshotSubject, streams: GuestStreams): Promise<() => void> {
  let released = false
  const release = () => {
    if (!released) streams.release(randomRelease())
    released = true
  }
  const held = streams.hold().then(() => 'held' as const)
  if (paused()) machine.resume()
  const outcome = await within(HOLD_MS, Promise.race([held, ended.then(() => 'ended' as const)]))
  if (outcome === 'held') {
    await within(FLUSH_MS, streams.flushed())
    return release
  }
  release()
  if (paused()) await machine.pause()
  throw refused(spec, outcome === 'ended' ? 'it has just ended' : 'its kernel does not answer')
}

const refused = ({ name }: RunSpec, why: string, hint?: string) =>
  new UsageError(`Cannot take a snapshot of "${name}": ${why}.`, hint === undefined ? {} : { hint })

/** Undefined when it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function randomRelease(): Pick<Release, 'entropy' | 'realtimeNs'> {
  const entropy = new Uint8Array(ENTROPY_BYTES)
  hostRandom.fill(entropy)
  return { entropy, realtimeNs: 0n }
}

/** A snapshot that an instance goes on from. */
export interface Resumption {
  readonly machine: ReturnType<typeof machineFrom>
  readonly input: InputState | undefined
  /** The spec, with disks of its own. */
  readonly spec: RunSpec
  /** Files of the snapshot among those disks. */
  readonly ownFiles: readonly string[]
  /** What the guest must hear before its program goes on. */
  release(network: NetworkPlace | undefined): Release
  /** When the machine is there. */
  close(): void
}

/** @throws HostError when it is damaged, or of another host or version */
export async function resumeFrom(spec: RunSpec & { readonly from: string }): Promise<Resumption> {
  const snapshot = await openSnapshot(spec.from, { level: LEVEL })
  try {
    const state = savedState(snapshot.spec)
    if (state.integer('abi', 0xffff) !== RELEASE_ABI) throw otherVersion(spec.from)
    const input = state.value('input')
    const { disks, ownFiles } = disksToRestore(spec.disks ?? [], state.value('disks'), (name) => snapshot.file(name))
    return {
      machine: machineFrom(snapshot, { elapsed: true }),
      input: input === null ? undefined : readInput(input),
      spec: { ...spec, disks },
      ownFiles,
      release: (network) => ({
        ...randomRelease(),
        ...(clockStopped(snapshot.state) && { realtimeNs: BigInt(Date.now()) * 1_000_000n }),
        hostname: spec.name,
        ...(network && { network: settingsOf(network) }),
      }),
      close: () => snapshot.close(),
    }
  } catch (error) {
    snapshot.close()
    throw error
  }
}

const otherVersion = (directory: string) =>
  new HostError(`Cannot go on from the snapshot ${directory}: its guest kernel is of another version of Cloister.`)

function readInput(saved: Json): InputState {
  const fields = new SavedFields('the standard input', saved)
  return { delivered: fields.integer('delivered', Number.MAX_SAFE_INTEGER), ended: fields.boolean('ended') }
}

/** A KVM that does not say when it was cannot have the clock go on by itself (src/machine/clock.ts). */
const clockStopped = (state: JsonObject): boolean =>
  (state.kvm as { readonly realtime?: Json } | undefined)?.realtime === null

function settingsOf({ mac, address }: NetworkPlace): NonNullable<Release['network']> {
  const bytes = (dotted: string) => Uint8Array.from(dotted.split('.'), Number)
  return {
    mac,
    address: { address: bytes(address.address), netmask: bytes(address.netmask), gateway: bytes(address.gateway) },
  }
}
