/**
 * Snapshots of a microVM, and going on from one. The agent holds all programs first and its connection is closed, so that
 * no stream to the host is in a snapshot; whoever goes on, this guest or another one, is told who it is before they do.
 */
import type { Agent } from '../agent/client.ts'
import type { AgentSession } from '../agent/session.ts'
import { GuestError } from '../errors.ts'
import type { SnapshotFacts, SnapshotOrder } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { type OpenSnapshot, openSnapshot } from '../snapshot/open-snapshot.ts'
import { savedState, specToSave } from '../snapshot/saved-run.ts'
import { takeSnapshot } from '../snapshot/take-snapshot.ts'
import { disksToRestore, disksToSave } from '../vmm/snapshot-disks.ts'
import type { Guest } from './guest.ts'
import { guestIdentity } from './guest-config.ts'
import type { GuestLinux } from './guest-linux.ts'
import { imageToSave, ROOT_IMAGE } from './snapshot-image.ts'

export const LEVEL = 'microvm'

export interface SnapshotSubject {
  readonly spec: RunSpec
  readonly linux: GuestLinux
  readonly guest: Guest
  readonly agent: Agent
}

/**
 * Holds the programs of a guest that runs, and closes the agent's connection. A guest that cannot be held in time goes on.
 * @param lost told why it cannot go on either
 * @returns what lets them go on, of a guest that runs again
 */
export async function holdPrograms(
  { spec, guest, agent }: Pick<SnapshotSubject, 'spec' | 'agent'> & { readonly guest: Pick<Guest, 'agentStream'> },
  lost: (reason: Error) => void,
): Promise<() => Promise<void>> {
  const release = () => agent.release(guestIdentity(spec, undefined))
  const goOn = async () => {
    try {
      agent.reconnect(await guest.agentStream())
      await release()
    } catch (error) {
      // Its programs stand still for good.
      lost(error as Error)
      throw error
    }
  }
  await agent.hold(() => void release().catch(lost))
  try {
    await agent.detach()
  } catch (error) {
    await goOn()
    throw error
  }
  return goOn
}

/**
 * Of a guest whose programs are held.
 * @param paused it is to stand still afterwards. @param onContinued it runs again, or stands still as it should
 */
export async function saveMicrovm(
  { spec, linux, guest }: SnapshotSubject,
  { directory, base }: SnapshotOrder,
  {
    paused,
    onContinued,
    signal,
  }: { readonly paused: boolean; readonly onContinued: () => void; readonly signal: AbortSignal },
): Promise<SnapshotFacts> {
  const { machine, ram, devices, shape } = guest
  const opened = base === undefined ? undefined : await openSnapshot(base, { level: LEVEL })
  try {
    const { files, saved } = disksToSave(devices.disks ?? [])
    const { pausedMs, bytes } = await takeSnapshot(
      { machine, ram, keepPaused: () => paused },
      {
        directory,
        level: LEVEL,
        spec: specToSave(spec, { disks: saved, kernel: linux.path }),
        machine: shape,
        ...(linux.digest !== '' && { digests: { kernel: linux.digest } }),
        files: [...files, imageToSave(devices.root.fd)],
        ...(opened && { base: opened }),
        onContinued,
        signal,
      },
    )
    return { pausedMs, bytes }
  } finally {
    opened?.close()
  }
}

/** A snapshot that an instance goes on from. */
export interface Resumption {
  readonly snapshot: OpenSnapshot
  /** With disks of its own. */
  readonly spec: RunSpec
  readonly ownFiles: readonly string[]
  readonly image: string
  readonly linux: GuestLinux
  /** When the machine is there. */
  close(): void
}

/** @throws HostError when it is damaged, or of another host or version */
export async function resumeFrom(spec: RunSpec & { readonly from: string }): Promise<Resumption> {
  const snapshot = await openSnapshot(spec.from, { level: LEVEL })
  try {
    const state = savedState(snapshot.spec)
    const { disks, ownFiles } = disksToRestore(spec.disks ?? [], state.value('disks'), (name) => snapshot.file(name))
    return {
      snapshot,
      spec: { ...spec, disks },
      ownFiles,
      image: snapshot.file(ROOT_IMAGE).path,
      // It is in memory: nothing of it is read.
      linux: { flavour: 'foreign', path: state.text('kernel'), digest: snapshot.manifest.digests.kernel ?? '' },
      close: () => snapshot.close(),
    }
  } catch (error) {
    snapshot.close()
    throw error
  }
}

/** Its programs are held. Both leave at once: who it is, and that its own program goes on with these streams. */
export function goOnAs(
  spec: RunSpec,
  { devices }: Guest,
  agent: Agent,
  mainId: number,
): { released: Promise<void>; session: AgentSession } {
  const session = agent.attach(mainId)
  return { session, released: agent.release(guestIdentity(spec, devices.network)) }
}

export const notHeld = () => new GuestError('Cannot go on from the snapshot: its agent has no program for it.')
