/** Puts a kernel image into guest memory: segments go from the file straight into guest RAM. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { EXIT, pathFault, UsageError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { HIGH_RAM_START, MIB } from '../memory/memory-map.ts'
import { readKernelImage } from './elf.ts'

export interface LoadedKernel {
  readonly pvhEntry: number
  /** First address after the image, page-aligned by nobody. */
  readonly end: number
}

/** @throws UsageError when the file is missing, no PVH kernel, or does not fit into RAM above 1 MiB. */
export function loadKernel(path: string, memory: GuestMemory): LoadedKernel {
  const fd = openKernel(path)
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) throw new UsageError(`Cannot boot ${path}: it is not a regular file.`)
    const readAt = (offset: number, length: number) => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
    }
    const image = readKernelImage(readAt, status.size, path)
    if (image.pvhEntry === undefined) {
      throw new UsageError(`Cannot boot ${path}: it has no PVH entry note.`, {
        hint: 'Linux has one when built with CONFIG_PVH; a bzImage does not, its vmlinux does.',
      })
    }
    let end = 0
    for (const segment of image.segments) {
      if (segment.gpa < HIGH_RAM_START || !memory.contains(segment.gpa, segment.memorySize)) {
        throw new UsageError(
          `Cannot boot ${path}: its segment at 0x${segment.gpa.toString(16)} (${Math.ceil(segment.memorySize / MIB)} MiB) lies outside guest memory.`,
          { hint: 'Give the guest more with --memory; the image must load above 1 MiB.' },
        )
      }
      // Only the file's part is written: RAM is zero already, and touching it would cost host memory.
      let done = 0
      while (done < segment.fileSize) {
        const window = memory.bytes(segment.gpa + done, segment.fileSize - done)
        const count = readSync(fd, window, 0, window.length, segment.fileOffset + done)
        if (count === 0) throw new UsageError(`Cannot boot ${path}: it was cut short while it was read.`)
        done += count
      }
      end = Math.max(end, segment.gpa + segment.memorySize)
    }
    return { pvhEntry: image.pvhEntry, end }
  } finally {
    closeSync(fd)
  }
}

function openKernel(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new UsageError(`Cannot boot ${path}: ${pathFault(cause)}.`, {
      hint: '--kernel takes an ELF file with a PVH entry; without it the guest kernel that "make build" made is booted.',
      exitCode: EXIT.cloisterFailed,
      cause,
    })
  }
}
