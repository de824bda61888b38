/**
 * Where the control socket is. A Unix socket's name has room for 107 bytes, unix(7), and state roots may be deeper:
 * the directory is opened, and the socket reached through its descriptor.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { CONTROL_SOCKET } from '../instance/record.ts'

/** @returns a short path to the socket, good until `close` */
export function shortSocketPath(directory: string): { readonly path: string; close(): void } {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  return { path: `/proc/self/fd/${fd}/${CONTROL_SOCKET}`, close: () => closeSync(fd) }
}
