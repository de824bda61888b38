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

/** Those that it does not share with us. */
export const ownNamespaces = (pid: number): Namespace[] =>
  NAMESPACES.filter((kind) => {
    const theirs = namespaceOf(pid, kind)
    return theirs !== undefined && theirs !== namespaceOf('self', kind)
  })
