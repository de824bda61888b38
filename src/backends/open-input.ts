/**
 * A descriptor of the caller's as a stream to read. Any kind of descriptor when it is our own standard input; otherwise
 * a pipe, whose module most runs need not load. It is opened once more, since a socket closes its descriptor at the end,
 * and this one is the caller's.
 */
import { constants, openSync } from 'node:fs'
import type { Readable } from 'node:stream'

export function openInput(fd: number): Readable {
  if (fd === 0) return process.stdin
  const { Socket } = process.getBuiltinModule('node:net')
  const own = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK)
  return new Socket({ fd: own, readable: true, writable: false })
}
