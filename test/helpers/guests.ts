/** Boots a test guest (guest-kernel/tests) in a real VM and says what it printed and how it ended. */
import { join } from 'node:path'
import { Reactor } from '../../src/backends/reactor.ts'
import type { BootModuleSource } from '../../src/machine/boot-modules.ts'
import type { CpuPolicy } from '../../src/machine/cpu-policy.ts'
import type { MachineEnd } from '../../src/machine/exit-handler.ts'
import { createMachine, type Machine, type MachineConfig } from '../../src/machine/machine.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { packageRoot } from '../../src/paths.ts'
import type { VirtioDevice } from '../../src/virtio/device.ts'

export const guestPath = (name: string) => join(packageRoot, 'guest-kernel/build/tests', `${name}.elf`)

export interface GuestOptions {
  readonly runner?: 'pool' | 'worker'
  readonly cpus?: number
  readonly acpi?: boolean
  readonly pit?: boolean
  readonly memory?: MachineConfig['memory']
  readonly restore?: MachineConfig['restore']
  readonly onRam?: MachineConfig['onRam']
  readonly memoryBytes?: number
  readonly trace?: (line: string) => void
  readonly modules?: readonly BootModuleSource[]
  readonly policy?: CpuPolicy
  readonly devices?: readonly VirtioDevice[]
}

export interface BootedGuest {
  readonly machine: Machine
  /** All that it wrote to the serial port so far. */
  readonly output: () => string
}

export async function bootGuest(
  name: string,
  { memoryBytes = 32 * MIB, modules = [], ...options }: GuestOptions = {},
): Promise<BootedGuest> {
  const chunks: Buffer[] = []
  const reactor = new Reactor((error) => chunks.push(Buffer.from(`reactor: ${error.message}\n`)))
  const made = await createMachine({
    reactor,
    memoryBytes,
    kernel: guestPath(name),
    commandLine: '',
    modules,
    devices: [],
    serial: {
      sink: {
        write(bytes) {
          chunks.push(Buffer.from(bytes))
          return bytes.length
        },
        onDrain() {},
      },
    },
    ...options,
  }).catch(async (error: unknown) => {
    await reactor.close()
    throw error
  })
  const machine = {
    ...made,
    async close() {
      await made.close()
      await reactor.close()
    },
  }
  return { machine, output: () => Buffer.concat(chunks).toString() }
}

/** Boots, waits for the end, releases everything. */
export async function runGuest(
  name: string,
  options?: GuestOptions,
): Promise<{ end: MachineEnd; output: string; policy: CpuPolicy }> {
  const { machine, output } = await bootGuest(name, options)
  try {
    machine.start()
    return { end: await machine.ended, output: output(), policy: machine.policy }
  } finally {
    await machine.close()
  }
}
