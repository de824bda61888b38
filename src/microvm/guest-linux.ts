/** Which Linux a microVM boots here: the flavour that `make linux` builds for this kind of KVM, or one of the user's own. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathFault, UsageError } from '../errors.ts'
import { kvmBackend } from '../host/kvm-backend.ts'
import { type LinuxFlavour, linuxKernelPath, packageRoot } from '../paths.ts'

export interface GuestLinux {
  readonly flavour: LinuxFlavour | 'foreign'
  readonly path: string
  /** Another kernel has another: of ours, what it was built from; of others, what is in the file. */
  readonly digest: string
}

/** Of a KVM that we do not know we suppose that it is hardware: most are. @param sysModule where loaded modules are listed */
export const linuxFlavour = (sysModule?: string): LinuxFlavour =>
  kvmBackend(sysModule)?.hardware === false ? 'software-kvm' : 'standard'

/** A folder of the build's cache. */
const RECIPE_DIGEST = /^[0-9a-f]{64}$/

/**
 * @param kernel path of a kernel to use instead of ours
 * @throws UsageError when it is not there
 */
export function guestLinux(kernel?: string, pathOf = linuxKernelPath): GuestLinux {
  if (kernel !== undefined) return { flavour: 'foreign', path: kernel, digest: contentDigest(kernel) }
  const flavour = linuxFlavour()
  const path = builtKernel(pathOf(flavour), flavour)
  const folder = basename(dirname(path))
  return { flavour, path, digest: RECIPE_DIGEST.test(folder) ? folder : contentDigest(path) }
}

/** An installed package has the recipe, and no Makefile. */
export const buildCommand = (root = packageRoot): string =>
  existsSync(join(root, 'Makefile')) ? 'make linux' : `sh ${join(root, 'guest-kernel/linux/build.sh')}`

/** Where the link of a build leads. */
function builtKernel(link: string, flavour: LinuxFlavour): string {
  try {
    return realpathSync(link)
  } catch (cause) {
    throw new UsageError(`Cannot start a microVM: its Linux (${flavour}) is not built.`, {
      hint: `Build it once, in some minutes: ${buildCommand()}. Or name a kernel of your own: --kernel FILE.`,
      cause,
    })
  }
}

function contentDigest(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch (cause) {
    throw new UsageError(`Cannot use ${path} as the kernel: ${pathFault(cause)}.`, { cause })
  }
}
