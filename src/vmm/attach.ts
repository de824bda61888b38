/**
 * The devices that a VM was given on the command line, opened for it: disks, networks. Levels that run VMs put them
 * behind their own devices.
 */
import type { Reactor } from '../backends/reactor.ts'
import type { VirtioBalloon } from '../devices/virtio-balloon.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { Ram } from '../memory/ram.ts'
import type { VirtioDevice } from '../virtio/device.ts'

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
}

export interface AttachContext {
  readonly reactor: Reactor
  /** The instance's own directory, when it has one. */
  readonly directory?: string
  readonly log: (line: string) => void
}

/** In slot order. Nothing stays open when one of them fails. */
export async function attachDevices(spec: RunSpec, context: AttachContext): Promise<Attached> {
  const parts: Attached[] = []
  const close = () => {
    for (const part of parts.splice(0).reverse()) part.close()
  }
  try {
    // Loaded for whoever asks only: most runs have neither.
    if (spec.disks?.length) parts.push((await import('./disks.ts')).attachDisks(spec.disks, context))
    if (spec.network && spec.network.kind !== 'none')
      parts.push(await (await import('./network.ts')).attachNetwork(spec.network, spec.name, context))
    // A kernel of the user's own may have drivers for these. Ours has none, and each device costs a little.
    if (spec.kernel !== undefined) {
      if (context.directory !== undefined) parts.push(await (await import('./vsock.ts')).attachVsock(context.directory))
      parts.push((await import('./balloon.ts')).attachBalloon(spec.memoryBytes))
    }
    const opened = [...parts]
    const balloon = opened.find((part) => part.balloon)?.balloon
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
    }
  } catch (error) {
    close()
    throw error
  }
}
