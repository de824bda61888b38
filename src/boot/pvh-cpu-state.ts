/**
 * The register state a PVH kernel starts in: 32-bit protected mode, flat segments, paging off, EBX -> start info.
 * Xen docs/misc/pvh.pandoc; each value also satisfies the guest-state checks of SDM volume 3 §27.3.1.
 */
import type { Gpa } from '../memory/guest-memory.ts'
import { segment } from './segment.ts'

const CODE_EXECUTE_READ_ACCESSED = 0xb
const DATA_READ_WRITE_ACCESSED = 0x3
const TSS_32_BUSY = 0xb
const LDT = 0x2

const CODE_SELECTOR = 0x08
const DATA_SELECTOR = 0x10
const TASK_SELECTOR = 0x18

/** Protection enabled; ET reads as 1 on every 64-bit CPU. */
const CR0_PE_ET = 0x11n
/** Bit 1 of RFLAGS is always 1; interrupts are off. */
const RFLAGS_RESET = 0x2n

const pvhSegments = {
  cs: segment({ selector: CODE_SELECTOR, type: CODE_EXECUTE_READ_ACCESSED }),
  ds: segment({ selector: DATA_SELECTOR, type: DATA_READ_WRITE_ACCESSED }),
  es: segment({ selector: DATA_SELECTOR, type: DATA_READ_WRITE_ACCESSED }),
  fs: segment({ selector: DATA_SELECTOR, type: DATA_READ_WRITE_ACCESSED }),
  gs: segment({ selector: DATA_SELECTOR, type: DATA_READ_WRITE_ACCESSED }),
  ss: segment({ selector: DATA_SELECTOR, type: DATA_READ_WRITE_ACCESSED }),
  tr: segment({ selector: TASK_SELECTOR, type: TSS_32_BUSY, s: 0, db: 0, g: 0, limit: 0x67 }),
  ldt: segment({ type: LDT, s: 0, db: 0, g: 0, present: 0, limit: 0, unusable: 1 }),
} as const

const pvhControlRegisters = { cr0: CR0_PE_ET, cr2: 0n, cr3: 0n, cr4: 0n, cr8: 0n, efer: 0n } as const

/** Everything that is set before a PVH kernel's first instruction. */
export const pvhEntryState = (entry: number, startInfo: Gpa) => ({
  sregs: { ...pvhSegments, ...pvhControlRegisters },
  regs: { rip: BigInt(entry), rbx: BigInt(startInfo), rflags: RFLAGS_RESET },
})
