/**
 * The state in which a 64-bit Linux begins: long mode, flat segments, memory mapped onto itself, interrupts off, RSI ->
 * boot_params. Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"; each value also satisfies the guest-state
 * checks of SDM volume 3 §27.3.1.
 */
import type { Gpa, GuestMemory } from '../../memory/guest-memory.ts'
import { GDT_GPA, GIB, MIB, PAGE_SIZE, PAGE_TABLES_GPA } from '../../memory/memory-map.ts'
import { segment } from '../segment.ts'

/** __BOOT_CS and __BOOT_DS: where the protocol wants the two in the GDT. */
const CODE_SELECTOR = 0x10
const DATA_SELECTOR = 0x18
const TASK_SELECTOR = 0x20

const CODE_EXECUTE_READ_ACCESSED = 0xb
const DATA_READ_WRITE_ACCESSED = 0x3
const TSS_64_BUSY = 0xb
const TSS_SIZE = 0x68
const LDT = 0x2

/** Flat; the descriptors say what the segment registers below hold. SDM vol 3 §3.4.5. */
const GDT = [
  0n,
  0n,
  // Type 0xb, S, DPL 0, P, limit 0xfffff, L, G.
  0x00af_9b00_0000_ffffn,
  // Type 3, S, DPL 0, P, limit 0xfffff, D/B, G.
  0x00cf_9300_0000_ffffn,
  // A TSS takes two; this one is never used: no privilege changes, no interrupts before the kernel has its own.
  0x0000_8b00_0000_0067n,
  0n,
]

/** SDM vol 3 §4.5: present and writable; PS makes an entry of a page directory a page of 2 MiB. */
const PRESENT_WRITABLE = 0x3n
const LARGE_PAGE = 1n << 7n
const ENTRIES = 512
const LARGE_PAGE_SIZE = 2 * MIB
/** All that lies below 4 GiB: kernel, boot_params, command line, RAM disk, and the ACPI tables. */
const MAPPED_GIB = 4

const CR0_PE_ET_PG = 0x8000_0011n
const CR4_PAE = 0x20n
const EFER_LME_LMA = 0x500n
const RFLAGS_RESET = 0x2n

/** Writes the GDT and page tables that this state refers to. */
export function longModeEntryState(memory: GuestMemory, entry: Gpa, bootParamsGpa: Gpa) {
  for (const [index, descriptor] of GDT.entries()) memory.writeU64(GDT_GPA + 8 * index, descriptor)
  return {
    sregs: {
      ...segments,
      gdt: { base: BigInt(GDT_GPA), limit: 8 * GDT.length - 1, padding: [] },
      idt: { base: 0n, limit: 0, padding: [] },
      cr0: CR0_PE_ET_PG,
      cr2: 0n,
      cr3: BigInt(writeIdentityMap(memory)),
      cr4: CR4_PAE,
      cr8: 0n,
      efer: EFER_LME_LMA,
    },
    regs: { rip: BigInt(entry), rsi: BigInt(bootParamsGpa), rflags: RFLAGS_RESET },
  }
}

/** One PML4, one page directory pointer table, and a page directory for each GiB. @returns where the PML4 is */
function writeIdentityMap(memory: GuestMemory): Gpa {
  const pointers = PAGE_TABLES_GPA + PAGE_SIZE
  const directory = (gib: number) => pointers + (1 + gib) * PAGE_SIZE
  memory.writeU64(PAGE_TABLES_GPA, BigInt(pointers) | PRESENT_WRITABLE)
  for (let gib = 0; gib < MAPPED_GIB; gib++) {
    memory.writeU64(pointers + 8 * gib, BigInt(directory(gib)) | PRESENT_WRITABLE)
    for (let entry = 0; entry < ENTRIES; entry++) {
      const gpa = gib * GIB + entry * LARGE_PAGE_SIZE
      memory.writeU64(directory(gib) + 8 * entry, BigInt(gpa) | LARGE_PAGE | PRESENT_WRITABLE)
    }
  }
  return PAGE_TABLES_GPA
}

const data = segment({ selector: DATA_SELECTOR, type: DATA_READ_WRITE_ACCESSED })

const segments = {
  cs: segment({ selector: CODE_SELECTOR, type: CODE_EXECUTE_READ_ACCESSED, db: 0, l: 1 }),
  ds: data,
  es: data,
  fs: data,
  gs: data,
  ss: data,
  tr: segment({ selector: TASK_SELECTOR, type: TSS_64_BUSY, s: 0, db: 0, g: 0, limit: TSS_SIZE - 1 }),
  ldt: segment({ type: LDT, s: 0, db: 0, g: 0, present: 0, limit: 0, unusable: 1 }),
} as const
