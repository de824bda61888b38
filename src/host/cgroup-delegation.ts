/**
 * The part of a v2 tree that an ordinary user may make groups in, as systemd gives it to what runs below
 * `user@UID.service` or in a unit with `Delegate=yes`. cgroup-v2.rst, "Delegation"; systemd, CGROUP_DELEGATION
 */
import { accessSync, constants, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CgroupLayout } from './cgroup-layout.ts'

export interface DelegatedCgroup {
  /** Below the mount point. New groups go beside ours: one with processes in it hands no controllers down. */
  readonly parent: string
  readonly controllers: readonly string[]
}

/** To move a process, even one's own, takes the right to write where both ways meet. */
const WRITABLE = ['', 'cgroup.procs', 'cgroup.subtree_control'] as const

/** @param own content of /proc/self/cgroup. @returns undefined for a user who has none; root needs none */
export function delegatedCgroup(
  { kind, mounts }: CgroupLayout,
  own: string = readFileSync('/proc/self/cgroup', 'utf8'),
): DelegatedCgroup | undefined {
  const [mount] = mounts
  const path = /^0::(\/.*)$/m.exec(own)?.[1]
  if (kind !== 'v2' || mount === undefined || path === undefined || path === '/') return undefined
  const parent = dirname(path)
  const at = (file: string) => join(mount.mountPoint, parent, file)
  try {
    for (const file of WRITABLE) accessSync(at(file), constants.W_OK)
    return { parent, controllers: readFileSync(at('cgroup.controllers'), 'utf8').trim().split(/\s+/) }
  } catch {
    return undefined
  }
}
