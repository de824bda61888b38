/**
 * The PVH boot protocol: what a guest kernel finds in memory and in EBX when it starts.
 * Xen public header arch-x86/hvm/start_info.h; entry state in docs/misc/pvh.pandoc of Xen.
 */
import { struct, u32, u64 } from '../../kvm-bindings/layout.ts'
import { BugError } from '../errors.ts'
import type { Gpa, GuestMemory } from '../memory/guest-memory.ts'
import {
  COMMAND_LINE_GPA,
  HIGH_RAM_START,
  LOW_RAM_END,
  MEMORY_MAP_GPA,
  MODULE_LIST_GPA,
  START_INFO_GPA,
} from '../memory/memory-map.ts'
import { writeCommandLine } from './command-line.ts'

const START_MAGIC = 0x336ec578
const START_INFO_VERSION = 1

const E820_RAM = 1
const E820_RESERVED = 2

const startInfo = struct(
  'hvm_start_info',
  { size: 56 },
  {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    modlist_paddr: u64,
    cmdline_paddr: u64,
    rsdp_paddr: u64,
    memmap_paddr: u64,
    memmap_entries: u32,
    reserved: u32,
  },
)

const moduleEntry = struct(
  'hvm_modlist_entry',
  { size: 32 },
  { paddr: u64, size: u64, cmdline_paddr: u64, reserved: u64 },
)

const memoryMapEntry = struct(
  'hvm_memmap_table_entry',
  { size: 24 },
  { addr: u64, size: u64, type: u32, reserved: u32 },
)

export interface BootModule {
  readonly gpa: Gpa
  readonly size: number
}

export interface PvhBoot {
  readonly commandLine: string
  readonly modules: readonly BootModule[]
  /** Where ACPI begins, when there is any. */
  readonly rsdp?: Gpa
}

export interface MemoryMapEntry {
  readonly gpa: Gpa
  readonly size: number
  readonly type: number
}

/** The memory map told to the guest: all RAM but the legacy hole below 1 MiB, and no seams that the guest need not see. */
export function memoryMap(regions: readonly { gpa: Gpa; size: number }[]): MemoryMapEntry[] {
  return joinAdjacent(regions).flatMap(({ gpa, size }) => {
    if (gpa > 0) return [{ gpa, size, type: E820_RAM }]
    return [
      { gpa: 0, size: LOW_RAM_END, type: E820_RAM },
      { gpa: LOW_RAM_END, size: HIGH_RAM_START - LOW_RAM_END, type: E820_RESERVED },
      { gpa: HIGH_RAM_START, size: size - HIGH_RAM_START, type: E820_RAM },
    ]
  })
}

/** @param regions in ascending order */
function joinAdjacent(regions: readonly { gpa: Gpa; size: number }[]): { gpa: Gpa; size: number }[] {
  const joined: { gpa: Gpa; size: number }[] = []
  for (const { gpa, size } of regions) {
    const last = joined.at(-1)
    if (last && last.gpa + last.size === gpa) last.size += size
    else joined.push({ gpa, size })
  }
  return joined
}

/** Writes start info, memory map, module list and command line. @returns what EBX holds at entry. */
export function writePvhBoot(memory: GuestMemory, { commandLine, modules, rsdp = 0 }: PvhBoot): Gpa {
  writeCommandLine(memory, commandLine)

  const map = memoryMap(memory.regions)
  writeTable(
    memory,
    { name: 'memory map', gpa: MEMORY_MAP_GPA, end: MODULE_LIST_GPA },
    map.map(({ gpa, size, type }) =>
      memoryMapEntry.encode({ addr: BigInt(gpa), size: BigInt(size), type, reserved: 0 }),
    ),
  )
  writeTable(
    memory,
    { name: 'module list', gpa: MODULE_LIST_GPA, end: COMMAND_LINE_GPA },
    modules.map(({ gpa, size }) =>
      moduleEntry.encode({ paddr: BigInt(gpa), size: BigInt(size), cmdline_paddr: 0n, reserved: 0n }),
    ),
  )
  writeTable(memory, { name: 'start info', gpa: START_INFO_GPA, end: MEMORY_MAP_GPA }, [
    startInfo.encode({
      magic: START_MAGIC,
      version: START_INFO_VERSION,
      flags: 0,
      nr_modules: modules.length,
      modlist_paddr: modules.length > 0 ? BigInt(MODULE_LIST_GPA) : 0n,
      cmdline_paddr: BigInt(COMMAND_LINE_GPA),
      rsdp_paddr: BigInt(rsdp),
      memmap_paddr: BigInt(MEMORY_MAP_GPA),
      memmap_entries: map.length,
      reserved: 0,
    }),
  ])
  return START_INFO_GPA
}

/** Where a table goes, and where the next one begins. */
interface TablePlace {
  readonly name: string
  readonly gpa: Gpa
  readonly end: Gpa
}

function writeTable(memory: GuestMemory, { name, gpa, end }: TablePlace, rows: readonly Uint8Array[]): void {
  let at = gpa
  for (const row of rows) {
    if (row.length > end - at) throw new BugError(`Cannot boot: a ${name} of ${rows.length} entries does not fit.`)
    memory.bytes(at, row.length).set(row)
    at += row.length
  }
}
