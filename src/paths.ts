/** Where the parts that are built beside the code lie: found from this file upward, bundled or not. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

function findPackageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json')) && directory !== '/') directory = dirname(directory)
  return directory
}

export const packageRoot = findPackageRoot()

/** For text that goes to others: where this checkout lies is none of their business. */
export const withoutPlace = (text: string): string => text.replaceAll(`${packageRoot}/`, './')

/** The guest kernel of the unikernel level; `make build` makes it. */
export const unikernelPath = join(packageRoot, 'guest-kernel/build/unikernel.elf')

/** Guest kernels that `bench` loads devices with; `make build` makes them. */
export const blockLoadPath = join(packageRoot, 'guest-kernel/build/tests/block-load.elf')
export const netLoadPath = join(packageRoot, 'guest-kernel/build/tests/net-load.elf')

/** The program that `compare` runs inside each level; `make build` makes it. */
export const probePath = join(packageRoot, 'rootfs/build/probe')

/** The bad neighbour that `compare` runs beside another instance; `make build` makes it. */
export const attackPath = join(packageRoot, 'rootfs/build/attack')

/** Linux as it is for hardware KVM, and Linux changed for a KVM that emulates kernel mode (guest-kernel/linux/README.md). */
export type LinuxFlavour = 'standard' | 'software-kvm'

/** The guest kernel of the microvm level; `make linux` makes the one for this host. */
export const linuxKernelPath = (flavour: LinuxFlavour): string =>
  join(packageRoot, `guest-kernel/build/linux/${flavour}/vmlinux`)

/** The init of a microVM, which starts its programs and looks after them; `make build` makes it. */
export const agentPath = join(packageRoot, 'rootfs/build/agent')
