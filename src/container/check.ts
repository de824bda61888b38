/** What a container cannot be asked for, said before anything is made. */
import { UsageError } from '../errors.ts'
import { resolveLinks } from '../image/root-lookup.ts'
import type { RunSpec, UserSpec } from '../instance/run-spec.ts'
import { inMib } from './ending.ts'
import type { Rootless } from './rootless.ts'

/** The runtime's own first process needs more than 2 MiB before it becomes the program; docker draws the line here too. */
export const MEMORY_MIN = 6 * 2 ** 20

/** Mounted by the runtime, which lets nothing else be placed there. */
const KERNEL_DIRECTORIES = /^\/(proc|sys)(\/|$)/

/** @throws UsageError */
export function checkSpec({ name, memoryBytes, cpus, cwd, source }: RunSpec): void {
  if (memoryBytes < MEMORY_MIN) {
    throw new UsageError(
      `Cannot give container "${name}" ${inMib(memoryBytes)} of memory: it needs ${inMib(MEMORY_MIN)} to start.`,
      {
        hint: 'Try --memory 6M or more.',
      },
    )
  }
  if (!(cpus > 0)) throw new UsageError(`Cannot give container "${name}" ${cpus} processors.`)
  // A working directory such as /proc/self/fd/7, named or linked to, has led out of containers (CVE-2024-21626).
  const leads = source.kind === 'rootfs' ? resolveLinks(source.directory, cwd).inside : cwd
  const outside = KERNEL_DIRECTORIES.test(cwd) || KERNEL_DIRECTORIES.test(leads)
  if (!cwd.startsWith('/') || outside || cwd.split('/').includes('..')) {
    throw new UsageError(`Cannot start container "${name}" in ${JSON.stringify(cwd)}.`, {
      hint: 'The working directory is an absolute path inside, without "..", and not below /proc or /sys.',
    })
  }
  if (source.kind === 'program' && KERNEL_DIRECTORIES.test(source.path)) {
    throw new UsageError(`Cannot place ${source.path} in container "${name}": /proc and /sys are the kernel's.`, {
      hint: 'Copy the program elsewhere.',
    })
  }
}

/** Of an ordinary user's container. @throws UsageError */
export function checkUser(name: string, user: UserSpec | undefined, rootless: Rootless | undefined): void {
  if (rootless?.users !== 'one' || user === undefined || (user.uid === 0 && user.gid === 0)) return
  throw new UsageError(`Cannot run as user ${user.uid}:${user.gid} in container "${name}": only root exists in it.`, {
    hint: 'Without root it takes a range of users in /etc/subuid and /etc/subgid, and the package uidmap.',
  })
}
