/** The mounts that a process sees. proc_pid_mountinfo(5) */
import { readFileSync } from 'node:fs'
import { unescapeOctal } from './cgroup-layout.ts'

export interface Mount {
  readonly mountPoint: string
  readonly type: string
  /** Of the mount point: `ro`, `nosuid`, ... */
  readonly options: readonly string[]
}

/** Empty when the process is gone. */
export function readMounts(pid: number | 'self'): Mount[] {
  try {
    return parseMounts(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))
  } catch {
    return []
  }
}

export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ', 2)
    const [, , , , mountPoint, options = ''] = before.split(' ')
    if (!mountPoint) return []
    return [{ mountPoint: unescapeOctal(mountPoint), type: after.split(' ')[0] ?? '', options: options.split(',') }]
  })
}
