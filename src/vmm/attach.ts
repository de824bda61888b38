/**
 * The devices that a VM was given on the command line, opened for it: disks, networks. Levels that run VMs put them
 * behind their own devices.
 */
import type { Disk } from '../backends/disk/disk.ts'
import type { Reactor } from '../backends/reactor.ts'
import type { VirtioBalloon } from '../devices/virtio-balloon.ts'
import type { DiskSpec, RunSpec } from '../instance/run-spec.ts'
import type { Ram } from '../memory/ram.ts'
import type { VirtioDevice } from '../virtio/device.ts'
import type { ShareMount } from './volumes.ts'

/** What stands behind some devices of one VM. */
export interface Attached {
  readonly devices: readonly VirtioDevice[]
  /** What the guest kernel is told on its command line. */
  readonly commandLine: string
  /** Threads of libuv's pool that they may occupy at once. */
  readonly threads: number
  /** Facts for `inspect`. */
  describe(): Readonly<Record<string, unknown>>
  /** Only after the machine has closed; idempotent. */
  close(): void
  /** The guest's memory has been made. */
  onRam?(ram: Ram): void
  /** Where the guest can be asked for memory. */
  readonly balloon?: VirtioBalloon
  /** In their order. */
  readonly disks?: readonly AttachedDisk[]
  readonly network?: NetworkPlace
  /** Directories of the host that the guest is to mount. */
  readonly shares?: readonly ShareMount[]
}

export interface AttachedDisk {
  readonly spec: DiskSpec
  readonly disk: Disk
  /** Of what was opened: by now another file may have its name. */
  readonly inode?: string | undefined
}

/** Where a VM is on a network of Cloister's: what a guest must be told that was at another place. */
export interface NetworkPlace {
  /** Six bytes. */
  readonly mac: Uint8Array
  /** Dotted. */
  readonly address: { readonly address: string; readonly netmask: string; readonly gateway: string }
  /** There is a way out of it. */
  readonly nat?: boolean
}

export interface AttachContext {
  readonly reactor: Reactor
  /** The instance's own directory, when it has one. */
  readonly directory?: string
  readonly log: (line: string) => void
  /** The guest goes on where another one was: it knows that one's card, and will be told of this one's. */
  readonly restored?: boolean
  /** The guest has not looked into its disks yet: it may find others than were there. */
  readonly exchanged?: boolean
  /** These disks are a snapshot's: they may lie where Cloister keeps its state. */
  readonly ownFiles?: readonly string[]
}

/** Opens the backends of some devices. */
export type Opener = () => Attached | Promise<Attached>

/** Loaded for whoever asks only: most runs have none of these. */
export const OPENERS = {
  disks: async ({ disks = [] }: RunSpec, context: AttachContext) =>
    (await import('./disks.ts')).attachDisks(disks, context),
  network: async ({ network, name }: RunSpec, context: AttachContext) =>
    network && network.kind !== 'none'
      ? await (await import('./network.ts')).attachNetwork(network, name, context)
      : NOTHING,
  vsock: async (directory: string) => await (await import('./vsock.ts')).attachVsock(directory),
  volumes: async ({ volumes = [] }: RunSpec, context: AttachContext) =>
    (await import('./volumes.ts')).attachVolumes(volumes, context),
  balloon: async ({ memoryBytes }: RunSpec) => (await import('./balloon.ts')).attachBalloon(memoryBytes),
} as const

const NOTHING: Attached = { devices: [], commandLine: '', threads: 0, describe: () => ({}), close: () => {} }

/** What the devices of a unikernel, or of a kernel of the user's own, need. */
export function attachDevices(spec: RunSpec, context: AttachContext): Promise<Attached> {
  const { directory } = context
  const openers: Opener[] = [() => OPENERS.network(spec, context)]
  if (spec.disks?.length) openers.unshift(() => OPENERS.disks(spec, context))
  // A kernel of the user's own may have drivers for these. Ours has none, and each device costs a little.
  if (spec.kernel !== undefined) {
    if (directory !== undefined) openers.push(() => OPENERS.vsock(directory))
    openers.push(() => OPENERS.balloon(spec))
    if (spec.volumes?.length) openers.push(() => OPENERS.volumes(spec, context))
  }
  return attachAll(openers)
}

/** In slot order. Nothing stays open when one of them fails. */
export async function attachAll(openers: readonly Opener[]): Promise<Attached> {
  const parts: Attached[] = []
  const close = () => {
    for (const part of parts.splice(0).reverse()) part.close()
  }
  try {
    for (const open of openers) parts.push(await open())
    const opened = [...parts]
    const balloon = opened.find((part) => part.balloon)?.balloon
    const network = opened.find((part) => part.network)?.network
    return {
      devices: opened.flatMap(({ devices }) => devices),
      commandLine: opened.flatMap(({ commandLine }) => (commandLine === '' ? [] : [commandLine])).join(' '),
      threads: opened.reduce((sum, { threads }) => sum + threads, 0),
      describe: () => Object.assign({}, ...opened.map((part) => part.describe())),
      close,
      onRam(ram) {
        for (const part of opened) part.onRam?.(ram)
      },
      ...(balloon && { balloon }),
      ...(network && { network }),
      disks: opened.flatMap(({ disks = [] }) => disks),
      shares: opened.flatMap(({ shares = [] }) => shares),
    }
  } catch (error) {
    close()
    throw error
  }
}
