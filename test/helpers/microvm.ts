/**
 * Tests that need a microVM, once with each kernel there is for it: the one that we configure, and Debian's stock kernel
 * where guest kernel mode is run as it is. Where KVM works they fail for want of what `make test` makes or installs; in the
 * lab, where `make test` makes no kernel, and for want of the stock one they skip with the reason.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { kvmBackend } from '../../src/host/kvm-backend.ts'
import { packageRoot } from '../../src/paths.ts'
import { temporaryDirectory } from './containers.ts'
import { kvmTestSerial } from './kvm.ts'
import { buildModules, findStockKernel, inLab, LAB_OPTIONS } from './stock-kernel.ts'

/** Guest kernel mode is emulated: everything that Linux does takes long, and a little of it has to do. */
export const kernelModeEmulated = kvmBackend()?.hardware === false

export interface MicrovmKernel {
  /** With how little a guest of it runs a shell. */
  readonly leastMemoryMib: number
  /** Options of `run`: hardly any for the kernel that it takes by itself. @param directory empty, of the caller's own */
  optionsIn(directory: string): readonly string[]
  /** The same, for one test. */
  options(t: ExecutionContext): readonly string[]
}

const programs = (process.env.PATH ?? '').split(':')
const whyNoRootImages = programs.some((directory) => existsSync(join(directory, 'mkfs.erofs')))
  ? undefined
  : 'mkfs.erofs is missing (apt-get install erofs-utils)'

export const OWN_LEAST_MIB = 40
/** Its image takes 64 MiB behind the first 16. */
export const STOCK_LEAST_MIB = 96

/** @returns why there is none, in words */
function ownKernel(): MicrovmKernel | string {
  const flavour = kernelModeEmulated ? 'software-kvm' : 'standard'
  if (!existsSync(join(packageRoot, 'guest-kernel/build/linux', flavour, 'vmlinux'))) {
    return `no Linux kernel is built: sh guest-kernel/linux/build.sh ${flavour}`
  }
  return { leastMemoryMib: OWN_LEAST_MIB, options: () => LAB_OPTIONS, optionsIn: () => LAB_OPTIONS }
}

export function stockKernel(): MicrovmKernel | string {
  const found = findStockKernel()
  if (typeof found === 'string') return found
  const optionsIn = (directory: string) => [
    ...['--kernel', found.vmlinuz, '--initrd', buildModules(directory, found)],
    ...LAB_OPTIONS,
  ]
  return { leastMemoryMib: STOCK_LEAST_MIB, optionsIn, options: (t) => optionsIn(temporaryDirectory(t)) }
}

const OWN_KERNEL = { name: 'our kernel', find: ownKernel }
const STOCK_KERNEL = { name: "Debian's stock kernel", find: stockKernel }
/** Nowhere else could the stock one run. */
const KERNELS = kernelModeEmulated ? [OWN_KERNEL] : [OWN_KERNEL, STOCK_KERNEL]

/** Where kernel mode is emulated, by an emulated processor too. */
const LIMIT_MS = 15 * 60_000

type Implementation = (t: ExecutionContext, kernel: MicrovmKernel) => Promise<void>

/** `test.serial` of ava, once for each kernel: each takes a processor for itself. */
export const microvmTest = (title: string, implementation: Implementation): void =>
  testWith(KERNELS, title, implementation)

/** With the one that we configure alone. */
export const ownKernelTest = (title: string, implementation: Implementation): void =>
  testWith([OWN_KERNEL], title, implementation)

/** With the stock one alone: only where kernel mode is not emulated. */
export const stockMicrovmTest = (title: string, implementation: Implementation): void =>
  testWith([STOCK_KERNEL], title, implementation)

function testWith(kernels: readonly (typeof OWN_KERNEL)[], title: string, implementation: Implementation): void {
  for (const kernel of kernels) {
    const found = whyNoRootImages ?? kernel.find()
    const full = `${title} (${kernel.name})`
    if (typeof found !== 'string') {
      kvmTestSerial(full, (t) => {
        t.timeout(LIMIT_MS)
        return implementation(t, found)
      })
    } else if (kernel === OWN_KERNEL && !inLab) kvmTestSerial(full, (t) => t.fail(found))
    else anyTest.serial.skip(`${title} (${kernel.name}; skipped: ${found})`, () => {})
  }
}
