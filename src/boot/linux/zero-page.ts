/**
 * Fills boot_params for a kernel that is entered by the 64-bit boot protocol: its own setup header, and what the loader
 * has to say. Linux Documentation/arch/x86/boot.rst, "Details of Header Fields".
 */
import { BugError } from '../../errors.ts'
import type { Gpa, GuestMemory } from '../../memory/guest-memory.ts'
import { COMMAND_LINE_GPA, START_INFO_GPA } from '../../memory/memory-map.ts'
import { writeCommandLine } from '../command-line.ts'
import { type MemoryMapEntry, memoryMap } from '../pvh.ts'
import { bootParams, E820_ENTRIES_MAX, E820_ENTRY_SIZE, SETUP_HEADER_START } from './boot-params.ts'

/** "undefined": no loader that the kernel knows by number. */
const LOADER_UNDEFINED = 0xff
/** vid_mode: "normal". */
const VIDEO_NORMAL = 0xffff

export interface LinuxBoot {
  /** From SETUP_HEADER_START on. */
  readonly header: Uint8Array
  readonly commandLine: string
  /** Without its final NUL. */
  readonly commandLineMax: number
  readonly initrd?: { readonly gpa: Gpa; readonly size: number }
  readonly rsdp?: Gpa
}

/** @returns what RSI holds at entry. */
export function writeZeroPage(memory: GuestMemory, boot: LinuxBoot): Gpa {
  writeCommandLine(memory, boot.commandLine, boot.commandLineMax)
  const map = memoryMap(memory.regions)
  if (map.length > E820_ENTRIES_MAX) throw new BugError(`Cannot boot: ${map.length} memory map entries do not fit.`)

  const page = memory.bytes(START_INFO_GPA, bootParams.size)
  page.fill(0)
  page.set(boot.header, SETUP_HEADER_START)
  const params = bootParams.view(page)
  params.vid_mode = VIDEO_NORMAL
  params.type_of_loader = LOADER_UNDEFINED
  params.ext_loader_type = 0
  params.ext_loader_ver = 0
  params.setup_data = 0n
  params.cmd_line_ptr = COMMAND_LINE_GPA
  params.ramdisk_image = boot.initrd?.gpa ?? 0
  params.ramdisk_size = boot.initrd?.size ?? 0
  params.acpi_rsdp_addr = BigInt(boot.rsdp ?? 0)
  params.e820_entries = map.length
  for (const [index, entry] of map.entries()) params.e820_table[index]!.set(e820Entry(entry))
  return START_INFO_GPA
}

/** struct boot_e820_entry: addr, size, type, packed. */
function e820Entry({ gpa, size, type }: MemoryMapEntry): Uint8Array {
  const bytes = new Uint8Array(E820_ENTRY_SIZE)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(gpa), true)
  view.setBigUint64(8, BigInt(size), true)
  view.setUint32(16, type, true)
  return bytes
}
