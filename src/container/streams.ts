/**
 * How each standard stream of the program is connected to the caller's. What has no name in a file system of the host
 * is handed in as it is. A file or a terminal is not: as root a program could open it anew with other rights through
 * /proc/self/fd, change its mode, or make it set-user-ID; its bytes are copied by the runtime.
 */
import { fstatSync, readlinkSync, type Stats } from 'node:fs'
import { isatty } from 'node:tty'
import { UsageError } from '../errors.ts'
import type { Stdio } from '../instance/instance.ts'

export interface Connection {
  /** For init.c: `p` handed in, `k` copied by the runtime, others are devices that the container has itself. */
  readonly letter: string
  /** The caller's descriptor, when it is handed in or copied. */
  readonly fd?: number
}

/** Memory devices, major 1, by minor. Kernel documentation, admin-guide/devices.txt */
const MEMORY_DEVICES = new Map([
  [3, 'n'],
  [5, 'z'],
  [7, 'f'],
  [8, 'r'],
  [9, 'u'],
])
const MEMORY_MAJOR = 1

const NAMES = ['standard input', 'standard output', 'standard error'] as const

/** @throws UsageError for what a container must not touch, such as a directory or a disk */
export function connectStreams({ stdin, stdout, stderr }: Stdio, interactive: boolean): Connection[] {
  return [interactive ? stdin : undefined, stdout, stderr].map((fd, index) => {
    if (fd === undefined) return { letter: 'n' }
    const letter = letterFor(fd)
    if (letter === undefined) {
      throw new UsageError(`Cannot connect ${NAMES[index]} to a container: it is ${describe(fstatSync(fd))}.`, {
        hint: 'Pipes, sockets, terminals and regular files can be: put a pipe and cat between.',
      })
    }
    return letter === 'p' || letter === 'k' ? { letter, fd } : { letter }
  })
}

function letterFor(fd: number): string | undefined {
  const stats = fstatSync(fd)
  if (stats.isCharacterDevice()) {
    const ours = stats.rdev >> 8 === MEMORY_MAJOR ? MEMORY_DEVICES.get(stats.rdev & 0xff) : undefined
    return ours ?? (isatty(fd) ? 'k' : undefined)
  }
  if (stats.isFIFO() || stats.isSocket())
    return /^(pipe|socket):\[/.test(readlinkSync(`/proc/self/fd/${fd}`)) ? 'p' : 'k'
  return stats.isFile() ? 'k' : undefined
}

const describe = (stats: Stats): string =>
  stats.isDirectory() ? 'a directory' : stats.isBlockDevice() ? 'a block device' : 'a device'
