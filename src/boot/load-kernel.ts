/**
 * Puts a kernel image into guest memory, from the file straight into guest RAM, and knows by which protocol it starts:
 * an ELF file by PVH, or by Linux's 64-bit protocol where it has no PVH entry; a bzImage by the latter.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { EXIT, pathFault, UsageError } from '../errors.ts'
import type { Gpa, GuestMemory } from '../memory/guest-memory.ts'
import { HIGH_RAM_START, MIB } from '../memory/memory-map.ts'
import { type ReadAt, readKernelImage } from './elf.ts'
import { ENTRY_OFFSET, HEADER_MAGIC, HEADER_MAGIC_AT, readBzImage } from './linux/bzimage.ts'
import { ELF_SETUP_HEADER } from './linux/elf-setup-header.ts'
import { linuxEntry } from './linux/entry.ts'
import { type BootModule, writePvhBoot } from './pvh.ts'
import { pvhEntryState } from './pvh-cpu-state.ts'

/** What a kernel is told, however it starts. */
export interface BootFacts {
  readonly commandLine: string
  readonly modules: readonly BootModule[]
  /** Where ACPI begins, when there is any. */
  readonly rsdp?: Gpa
}

export interface LoadedKernel {
  /** First address after what it takes before it knows its memory, page-aligned by nobody. */
  readonly end: number
  /** Modules lie below this one. */
  readonly modulesEnd: number
  /** Whether it is a Linux that reads ACPI tables: told of its devices in another way too, it would find each twice. */
  prefersAcpi(): boolean
  /** Writes the boot structures. @returns what the first vCPU holds at entry */
  enter(facts: BootFacts): ReturnType<typeof pvhEntryState> | ReturnType<typeof linuxEntry>
}

/** A part of the file, and where it goes. */
interface Part {
  readonly fileOffset: number
  readonly fileSize: number
  readonly gpa: Gpa
  readonly memorySize: number
}

interface OpenImage {
  readonly path: string
  readonly size: number
  readonly readAt: ReadAt
  /** @throws UsageError when the part is not all in RAM above 1 MiB. */
  load(part: Part): void
}

/** @throws UsageError when the file is missing, no kernel, or does not fit into RAM above 1 MiB. */
export function loadKernel(path: string, memory: GuestMemory): LoadedKernel {
  const fd = openKernel(path)
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) throw new UsageError(`Cannot boot ${path}: it is not a regular file.`)
    const readAt = (offset: number, length: number) => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
    }
    const image = { path, size: status.size, readAt, load: (part: Part) => loadPart(fd, path, memory, part) }
    return isBzImage(readAt) ? loadBzImage(image, memory) : loadElf(image, memory)
  } finally {
    closeSync(fd)
  }
}

function isBzImage(readAt: ReadAt): boolean {
  const magic = readAt(HEADER_MAGIC_AT, 4)
  return magic.length === 4 && new DataView(magic.buffer, magic.byteOffset).getUint32(0, true) === HEADER_MAGIC
}

function loadElf({ path, size, readAt, load }: OpenImage, memory: GuestMemory): LoadedKernel {
  const { entry, pvhEntry, segments } = readKernelImage(readAt, size, path)
  for (const segment of segments) load(segment)
  const end = Math.max(...segments.map(({ gpa, memorySize }) => gpa + memorySize))
  const low = memory.regions[0]!.size
  const prefersAcpi = () => isLinuxWithAcpi(memory, segments)
  if (pvhEntry !== undefined) {
    return { end, modulesEnd: low, prefersAcpi, enter: (facts) => pvhEntryState(pvhEntry, writePvhBoot(memory, facts)) }
  }
  if (!segments.some(({ gpa, fileSize }) => entry >= gpa && entry < gpa + fileSize)) {
    throw new UsageError(`Cannot boot ${path}: it has no PVH entry note, and its entry lies in no segment.`, {
      hint: 'Linux has a PVH entry when built with CONFIG_PVH.',
    })
  }
  const boot = { path, entry: Number(entry), ...ELF_SETUP_HEADER }
  return {
    end,
    modulesEnd: Math.min(low, boot.initrdEnd),
    prefersAcpi,
    enter: (facts) => linuxEntry(memory, boot, facts),
  }
}

function loadBzImage({ path, size, readAt, load }: OpenImage, memory: GuestMemory): LoadedKernel {
  const image = readBzImage(readAt, size, path)
  load(image)
  return {
    end: image.gpa + image.memorySize,
    modulesEnd: Math.min(memory.regions[0]!.size, image.initrdEnd),
    // Nobody looks into a compressed kernel. That is the form of distributions, and theirs know devices by ACPI only.
    prefersAcpi: () => true,
    enter: (facts) => linuxEntry(memory, { path, ...image, entry: image.gpa + ENTRY_OFFSET }, facts),
  }
}

/** By what a kernel that has the code must hold as text: its banner, and the signature that an RSDP begins with. */
function isLinuxWithAcpi(memory: GuestMemory, segments: readonly { gpa: Gpa; fileSize: number }[]): boolean {
  const holds = (text: string) =>
    segments.some(({ gpa, fileSize }) => {
      const { buffer, byteOffset, length } = memory.bytes(gpa, fileSize)
      return Buffer.from(buffer, byteOffset, length).includes(text)
    })
  return holds('Linux version ') && holds('RSD PTR ')
}

/** Only the file's part is written: RAM is zero already, and touching it would cost host memory. */
function loadPart(fd: number, path: string, memory: GuestMemory, { fileOffset, fileSize, gpa, memorySize }: Part) {
  if (gpa < HIGH_RAM_START || !memory.contains(gpa, memorySize)) {
    throw new UsageError(
      `Cannot boot ${path}: its segment at 0x${gpa.toString(16)} (${Math.ceil(memorySize / MIB)} MiB) lies outside guest memory.`,
      { hint: 'Give the guest more with --memory; the image must load above 1 MiB.' },
    )
  }
  let done = 0
  while (done < fileSize) {
    const window = memory.bytes(gpa + done, fileSize - done)
    const count = readSync(fd, window, 0, window.length, fileOffset + done)
    if (count === 0) throw new UsageError(`Cannot boot ${path}: it was cut short while it was read.`)
    done += count
  }
}

function openKernel(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new UsageError(`Cannot boot ${path}: ${pathFault(cause)}.`, {
      hint: '--kernel takes a bzImage (vmlinuz) or an ELF file (vmlinux); without it our own guest kernel is booted.',
      exitCode: EXIT.cloisterFailed,
      cause,
    })
  }
}
