/** A guest whose vCPUs count in memory without end: what it had done when it was saved is there to be seen. */
import { setTimeout as sleep } from 'node:timers/promises'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import type { Ram } from '../../src/memory/ram.ts'
import { machineFrom, type OpenSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { type SnapshotRequest, takeSnapshot } from '../../src/snapshot/take-snapshot.ts'
import { bootGuest, type GuestOptions } from './guests.ts'

export const STORM_MEMORY = 16 * MIB
const COUNTERS_BYTES = 4096

export type Storm = Awaited<ReturnType<typeof bootStorm>>

export async function bootStorm({ cpus = 1, memoryBytes = STORM_MEMORY, ...more }: GuestOptions = {}) {
  let ram: Ram | undefined
  const { machine, output } = await bootGuest('bare/smp-storm', {
    cpus,
    memoryBytes,
    acpi: true,
    devices: [virtioRng({ fill: (bytes) => bytes.fill(0) })],
    // It lies at the top of memory.
    modules: [{ name: 'the counters', size: COUNTERS_BYTES, write() {} }],
    ...more,
    onRam(given) {
      ram = given
      more.onRam?.(given)
    },
  })
  const shape = { memoryBytes, cpus, acpi: true, pit: more.pit ?? false, devices: ['rng'] }
  const steps = () =>
    Array.from({ length: cpus }, (_, id) => ram!.memory.readU32(memoryBytes - COUNTERS_BYTES + 4 * id))
  return {
    machine,
    output,
    shape,
    ram: ram!,
    steps,
    /** Until every vCPU has counted on. */
    async moved(from: readonly number[] = steps()): Promise<void> {
      while (steps().some((step, id) => step === from[id])) await sleep(1)
    },
    take: (directory: string, more: Partial<SnapshotRequest> = {}) =>
      takeSnapshot({ machine, ram: ram! }, { directory, level: 'bare', spec: null, machine: shape, ...more }),
  }
}

/** One that goes on from a snapshot. */
export const restoreStorm = (snapshot: OpenSnapshot, more: GuestOptions = {}): Promise<Storm> =>
  bootStorm({ ...machineFrom(snapshot), modules: [{ name: 'none', size: COUNTERS_BYTES, write() {} }], ...more })
