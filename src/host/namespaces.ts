/** Which namespaces a process has for itself, told by the kernel's own numbers. namespaces(7) */
import { readlinkSync } from 'node:fs'

export const NAMESPACES = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const
export type Namespace = (typeof NAMESPACES)[number]

/** Undefined when the process is gone, or the kernel has no such namespaces. */
function namespaceOf(pid: number | 'self', kind: Namespace): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`)
  } catch {
    return undefined
  }
}

/** Those that it does not share with another, with us if not said. */
export const ownNamespaces = (pid: number, other: number | 'self' = 'self'): Namespace[] =>
  NAMESPACES.filter((kind) => {
    const [theirs, others] = [namespaceOf(pid, kind), namespaceOf(other, kind)]
    return theirs !== undefined && others !== undefined && theirs !== others
  })
