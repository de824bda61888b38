/** Changes how much memory a control group may have, while its processes run. cgroup-v1/memory.rst, cgroup-v2.rst */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostError, UsageError } from '../errors.ts'
import type { CgroupMount } from './cgroup-layout.ts'

/**
 * In v1 a second limit counts memory and swap together, and is never the smaller one: it goes first on the way up and
 * last on the way down. Both are the same, as an instance is given no swap.
 */
const filesOf = (version: 1 | 2, up: boolean): readonly string[] => {
  if (version === 2) return ['memory.max']
  const files = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']
  return up ? files.reverse() : files
}

/**
 * In v2 processes that need more than they may are killed; v1 refuses a limit below what they need.
 * @param mount of the memory controller @param path of the group below it
 */
export function setMemoryLimit(mount: CgroupMount, path: string, bytes: number, now: number | undefined): void {
  const write = (file: string) => writeFileSync(join(mount.mountPoint, path, file), String(bytes), { flag: 'r+' })
  for (const file of filesOf(mount.version, bytes > (now ?? Number.POSITIVE_INFINITY))) {
    try {
      write(file)
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      // A kernel may be built without counting swap.
      if (code === 'ENOENT' && file.includes('memsw')) continue
      throw code === 'EBUSY'
        ? new UsageError('Cannot set the memory limit: the processes need more than that.', { cause })
        : new HostError(`Cannot set the memory limit: ${file} gave ${code}.`, { cause })
    }
  }
}
