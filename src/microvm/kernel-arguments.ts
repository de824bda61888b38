/** The command line of a microVM's Linux, but for its devices; Linux's Documentation/admin-guide/kernel-parameters.txt. */
import { randomBytes } from 'node:crypto'
import type { GuestLinux } from './guest-linux.ts'
import { tscKhzOfGuests } from './tsc-frequency.ts'

export interface KernelFacts {
  readonly flavour: GuestLinux['flavour']
  /** How fast the guest's time stamp counter runs; asked of KVM where the kernel must be told. */
  readonly tscKhz?: number
}

/** Whoever uses it says more, for the machine's end, after it: of what is said twice Linux takes the last. */
const COMMON = ['console=ttyS0', 'quiet', 'panic=-1', 'reboot=k']

const BY_FLAVOUR: Readonly<Record<GuestLinux['flavour'], (facts: KernelFacts) => readonly string[]>> = {
  // What would be searched for in vain.
  foreign: () => ['pci=off'],
  standard: () => ['pci=off'],
  'software-kvm': ({ tscKhz = tscKhzOfGuests() }) => [
    // It has no ACPI; by this its devices are named on the command line.
    'acpi=off',
    // Its only clock, and nothing there to calibrate it by.
    `tsc_early_khz=${tscKhz}`,
    'tsc=reliable',
    // To make kernel text read-only splits its pages, two seconds of work.
    'rodata=off',
    // Until it is seeded, each random number is expensive. The agent adds a seed that nobody in the guest can read.
    `rng_seed=${randomBytes(32).toString('hex')}`,
  ],
}

export const kernelArguments = (facts: KernelFacts): string =>
  [...COMMON, ...BY_FLAVOUR[facts.flavour](facts)].join(' ')
