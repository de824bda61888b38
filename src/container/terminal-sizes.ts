/** The pipe by which process 1 of a container with a terminal (rootfs/init-terminal.c) learns how large it is. */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { pipe } from '../../kvm-bindings/ffi.ts'
import type { TerminalSize } from '../instance/instance.ts'
import type { Connection } from './streams.ts'

export interface TerminalSizes {
  /** Its reading end, in the place of standard error: a terminal has one stream for both. */
  readonly connection: Connection
  resize(size: TerminalSize): void
  close(): void
}

/** Until somebody says how large it is. */
const USUAL: TerminalSize = { cols: 80, rows: 24 }

export function openTerminalSizes(): TerminalSizes {
  const [read, write] = pipe()
  // A container that does not read must not stop us; of many sizes the last one counts, and it asks again.
  const sizes = openSync(`/proc/self/fd/${write}`, constants.O_WRONLY | constants.O_NONBLOCK)
  closeSync(write)
  const open = new Set([read, sizes])
  const terminal = {
    connection: { letter: 'p', fd: read },
    resize({ cols, rows }: TerminalSize) {
      if (!open.has(sizes)) return
      try {
        // struct winsize
        writeSync(sizes, new Uint8Array(Uint16Array.of(rows, cols, 0, 0).buffer))
      } catch (error) {
        if (!['EAGAIN', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
    },
    close() {
      for (const fd of open) closeSync(fd)
      open.clear()
    },
  }
  terminal.resize(USUAL)
  return terminal
}
