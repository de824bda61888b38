/**
 * Containers of an ordinary user: root of a user namespace of his own, where the host allows one. The user gives the
 * container nothing that he does not have himself; what needs more, limits above all, is left out and said.
 * user_namespaces(7), unshare(1), subuid(5)
 */
import { accessSync, constants, readFileSync } from 'node:fs'
import { release, userInfo } from 'node:os'
import { PIDS_LIMIT } from './bundle.ts'

export interface Rootless {
  /** `one`: root inside is the user, and nobody else exists there. `ranges`: others are those that /etc/subuid gives him. */
  readonly users: 'one' | 'ranges'
}

export interface Refusal {
  readonly reason: string
  readonly hint: string
}

const HELPERS = ['/usr/bin/newuidmap', '/usr/bin/newgidmap'] as const

/** Undefined for root. */
export function rootlessMode(uid: number = process.geteuid?.() ?? 0): Rootless | undefined {
  if (uid === 0) return undefined
  const ranges =
    HELPERS.every(isExecutable) && ['/etc/subuid', '/etc/subgid'].every((file) => hasRange(read(file), uid))
  return { users: ranges ? 'ranges' : 'one' }
}

/** `USER:FIRST:COUNT` a line, the user by name or by number. subuid(5) */
export function hasRange(text: string, uid: number, name: string = userName()): boolean {
  return text.split('\n').some((line) => {
    const [user, first, count] = line.split(':')
    return (user === name || user === String(uid)) && Number(first) > 0 && Number(count) > 0
  })
}

/** For unshare(1). */
export const userNamespaceArguments = (rootless: Rootless | undefined): string[] => {
  if (!rootless) return []
  return ['--user', '--map-root-user', ...(rootless.users === 'ranges' ? ['--map-auto'] : [])]
}

/** Why this host makes no user namespace for an ordinary user, as far as it says so beforehand. */
export function userNamespaceRefusal(sysctls = '/proc/sys'): Refusal | undefined {
  const value = (name: string) => read(`${sysctls}/${name.replaceAll('.', '/')}`).trim()
  for (const [name, off, on] of SWITCHES) {
    if (value(name) !== off) continue
    return {
      reason: `this host allows ordinary users no user namespaces (${name} is ${off})`,
      hint: `Allow them: sudo sysctl ${name}=${on}; or run the command with sudo, or choose --isolation unikernel.`,
    }
  }
  return undefined
}

/** Name, value that forbids, value that allows. The first is of Debian's and Ubuntu's kernels. */
const SWITCHES = [
  ['kernel.unprivileged_userns_clone', '0', '1'],
  ['user.max_user_namespaces', '0', '15000'],
] as const

/** Lets a user namespace be made, and nothing be done in it, except by programs with a profile that says otherwise. */
const APPARMOR = 'kernel.apparmor_restrict_unprivileged_userns'

/** What may be behind a refusal that came while the namespaces were made, for a person. @param said the last words of whoever failed */
export function explainRefusal(said: string, sysctls = '/proc/sys'): string | undefined {
  if (/mount overlay: invalid argument/i.test(said)) {
    return 'other file systems are mounted below its root directory, and only root may leave them out: give one without'
  }
  if (!/not permitted|permission denied/i.test(said)) return undefined
  if (read(`${sysctls}/${APPARMOR.replaceAll('.', '/')}`).trim() === '1') {
    return `AppArmor keeps ordinary users from it here (${APPARMOR} is 1): sudo sysctl ${APPARMOR}=0, or use sudo`
  }
  if (/mount \/?proc|mount_proc/.test(said)) {
    return 'this /proc is partly hidden, as inside another container, and a new one would show more: use root'
  }
  if (/mount overlay/.test(said)) return 'an ordinary user can mount an overlay since Linux 5.11: use sudo'
  return 'ordinary users may not do that here, and in a chroot nobody may: use sudo, or choose --isolation unikernel'
}

/** Since 5.14 processes are counted for each user namespace; before, those of the user elsewhere would count too. */
const COUNTED_BY_NAMESPACE = [5, 14] as const

/** Without a control group a fork bomb stops at a resource limit, where the kernel counts it alone. setrlimit(2) */
export function processLimit(kernel: string = release()): { type: string; soft: number; hard: number }[] {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10))
  const [since, then] = COUNTED_BY_NAMESPACE
  const counted = major > since || (major === since && minor >= then)
  return counted ? [{ type: 'RLIMIT_NPROC', soft: PIDS_LIMIT, hard: PIDS_LIMIT }] : []
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A user without a line in /etc/passwd.
    return ''
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
