/** `--initrd`: a file of the host that goes into guest memory as it is. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { pathFault, UsageError } from '../errors.ts'
import type { BootModuleSource } from '../machine/boot-modules.ts'

/** @throws UsageError when it cannot be read; its content is read when memory is there for it. */
export function initrdModule(path: string): BootModuleSource {
  const reading = <T>(read: (fd: number) => T): T => {
    let fd: number | undefined
    try {
      fd = openSync(path, 'r')
      return read(fd)
    } catch (cause) {
      if (cause instanceof UsageError) throw cause
      throw new UsageError(`Cannot use ${path} as the initial RAM disk: ${pathFault(cause)}.`, { cause })
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }
  return {
    name: `the initial RAM disk ${path}`,
    size: reading(sizeOf(path)),
    write: (into) => reading((fd) => readInto(fd, path, into)),
  }
}

const sizeOf = (path: string) => (fd: number) => {
  const status = fstatSync(fd)
  if (!status.isFile()) throw new UsageError(`Cannot use ${path} as the initial RAM disk: it is not a regular file.`)
  if (status.size === 0) throw new UsageError(`Cannot use ${path} as the initial RAM disk: it is empty.`)
  return status.size
}

function readInto(fd: number, path: string, into: Uint8Array): void {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, done)
    if (count === 0) throw new UsageError(`Cannot boot: ${path} was cut short while it was read.`)
    done += count
  }
}
