/**
 * The guest-physical address space.
 *
 *            0 ┌──────────────────────────────┐
 *        0x4F0 │ how far the TSC ran on       │  src/machine/tsc-shift.ts
 *       0x6000 │ PVH start info, or zero page │  boot structures: src/boot/pvh.ts, src/boot/linux/
 *       0x7000 │ PVH memory map, module list  │
 *       0x8000 │ kernel command line          │
 *       0x8800 │ GDT                          │  for kernels that begin in long mode: src/boot/linux/
 *       0x9000 │ page tables, 6 pages         │
 *      0xA0000 ├──────────────────────────────┤  end of low RAM
 *              │ legacy hole (reserved)       │
 *      0xE0000 │ ACPI: RSDP, then the tables  │  src/boot/acpi/: there is memory here, but guests keep off
 *      0xF0000 │ VM generation id             │
 *     0x100000 ├──────────────────────────────┤
 *              │ kernel, at its own addresses │
 *              │ free RAM                     │
 *              │ boot modules (the root tree) │  as high as they fit
 *   C000_0000  ├──────────────────────────────┤  end of RAM below 4 GiB, at most
 *              │ virtio-mmio windows          │  D000_0000 + n * 0x1000
 *              │ I/O APIC                     │  FEC0_0000   (in-kernel)
 *              │ local APIC                   │  FEE0_0000   (in-kernel)
 *              │ KVM's identity map and TSS   │  FFFB_C000, FFFB_D000
 * 1_0000_0000  ├──────────────────────────────┤
 *              │ RAM beyond 3 GiB             │
 *              └──────────────────────────────┘
 */
import type { Gpa } from './guest-memory.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const PAGE_SIZE = 4 * KIB

/** What the BIOS data area of a PC leaves to programs, 16 bytes. */
export const TSC_SHIFT_GPA: Gpa = 0x4f0
export const START_INFO_GPA: Gpa = 0x6000
export const MEMORY_MAP_GPA: Gpa = 0x7000
export const MODULE_LIST_GPA: Gpa = 0x7800
export const COMMAND_LINE_GPA: Gpa = 0x8000
/** Bytes with the final NUL; Linux's own limit on x86 (COMMAND_LINE_SIZE). */
export const COMMAND_LINE_MAX = 2048
export const GDT_GPA: Gpa = 0x8800
export const PAGE_TABLES_GPA: Gpa = 0x9000
export const LOW_RAM_END: Gpa = 0xa0000
/** Where a PC's firmware has its own, and where a kernel that was told nothing looks for the RSDP (ACPI 6.5 §5.2.5.1). */
export const ACPI_GPA: Gpa = 0xe0000
/** 16 bytes in a page of their own. */
export const GENERATION_ID_GPA: Gpa = 0xf0000
export const HIGH_RAM_START: Gpa = 0x100000

export const MMIO_HOLE_START: Gpa = 0xc000_0000
export const MMIO_HOLE_END: Gpa = 0x1_0000_0000
export const VIRTIO_WINDOWS_GPA: Gpa = 0xd000_0000
export const VIRTIO_WINDOW_SIZE = 0x1000
/** Both in the kernel (KVM_CREATE_IRQCHIP), where a PC has them. */
export const IO_APIC_GPA: Gpa = 0xfec0_0000
export const LOCAL_APIC_GPA: Gpa = 0xfee0_0000
/** api.rst KVM_SET_IDENTITY_MAP_ADDR: one page; KVM_SET_TSS_ADDR: three pages; both only used by Intel. */
export const IDENTITY_MAP_GPA: Gpa = 0xfffb_c000
export const TSS_GPA: Gpa = 0xfffb_d000

/** Where RAM of the given size lies: one stretch below the hole, the rest in one from 4 GiB up. */
export function ramLayout(bytes: number): { gpa: Gpa; size: number }[] {
  const low = Math.min(bytes, MMIO_HOLE_START)
  const regions = [{ gpa: 0, size: low }]
  if (bytes > low) regions.push({ gpa: MMIO_HOLE_END, size: bytes - low })
  return regions
}
