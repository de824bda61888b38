/** The Linux that microVMs boot: which one this host takes, and whether it is built. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { UsageError } from '../errors.ts'
import { buildCommand, type GuestLinux, guestLinux, linuxFlavour } from '../microvm/guest-linux.ts'
import { type Finding, pass, warn } from './check.ts'

const WORDS = {
  standard: 'standard, Linux as it is',
  'software-kvm': 'software-kvm, changed for a KVM that emulates kernel mode',
} as const

/** Not a failure: it is built when it is wanted, and the other levels do without. */
const notBuilt = () => `microVMs cannot run without it. Build it once, in some minutes: ${buildCommand()}`

export function examineGuestLinux(find: () => GuestLinux = () => guestLinux()): Finding {
  const flavour = linuxFlavour()
  try {
    const { path, digest } = find()
    const release = releaseOf(path)
    return pass(`${WORDS[flavour]}: ${release ?? 'of unknown release'}, ${path}`, {
      ...{ flavour, built: true, path, digest },
      ...(release !== undefined && { release }),
    })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return warn(`${WORDS[flavour]}: not built`, notBuilt(), { flavour, built: false })
  }
}

/** The build leaves it beside the kernel. */
function releaseOf(path: string): string | undefined {
  try {
    return readFileSync(join(dirname(path), 'release'), 'utf8').trim()
  } catch {
    return undefined
  }
}
