/*
 * Where everything lies. Read by C, assembly and the linker script.
 *
 *   physical                               virtual (all in the lower canonical half: user addresses to the CPU)
 *
 *   RAM end      +------------------+
 *                |   free RAM       |      0x7f00_0000_0000 + pa   RAM from 1 MiB up, and device windows:
 *                | (the window that |                              "the direct map"; the kernel runs in it
 *                |  the personality |      0x7e80_0000_0000 + pa   the first 4 GiB again, while page tables are
 *                |  hands out)      |                              being built: "the scaffold"
 *                +------------------+
 *                | page-table pool  |      0x6000_0000_0000        end of what a program may have mapped
 *                +------------------+
 *                | kernel image     |      0x0000_0001_0000        and its start
 *   1 MiB        +------------------+
 *                | boot data        |      0                       never mapped
 *   0            +------------------+
 *
 * Inside the image: privileged part first (boot page tables, GDT, IDT, TSS, CPL0 stacks: supervisor-only from the
 * first change of CR3 on), then text, read-only data, data.
 */
#ifndef CLOISTER_LAYOUT_H
#define CLOISTER_LAYOUT_H

#define KERNEL_LOAD 0x100000
#define KERNEL_BASE 0x7f0000000000
#define WINDOW_BASE 0x7e0000000000 /* free RAM once more, when it is in several pieces (memory.c) */
#define SCAFFOLD_BASE 0x7e8000000000
#define SCAFFOLD_SIZE 0x100000000
#define PROGRAM_START 0x10000
#define PROGRAM_END 0x600000000000

#define LAPIC_PA 0xfee00000
#define IOAPIC_PA 0xfec00000

/* Linux's selectors: a software KVM serves system calls faster with them. There is no 32-bit user code segment. */
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define SYSRET_BASE 0x23
#define USER_DS 0x2b
#define USER_CS 0x33
#define TSS_SELECTOR 0x40

/* What the first word of the kernel's data holds, and the last one does not. */
#define KERNEL_GUARD 0x434c5354

#define PAGE_SIZE 4096
#define KERNEL_STACK_SIZE 0x8000
#define FAULT_STACK_SIZE 0x4000
#define PRIVILEGED_STACK_SIZE 0x1000 /* boot functions run on it */
#define INTERRUPT_STACK_SIZE 0x200

/* Interrupt stack table slots (SDM vol 3 section 6.14.5). Undefined instructions use RSP0 instead: see exception.S. */
#define IST_INTERRUPT 1
#define IST_EXCEPTION 2
#define IST_NMI 3

/* Interrupt vectors, and the bits their handlers set in pending_interrupts. */
#define VECTOR_TIMER 0x20
#define VECTOR_CONSOLE 0x21
#define VECTOR_ENTROPY 0x22
#define VECTOR_SERIAL 0x23
#define VECTOR_NET 0x24
#define VECTOR_DISKS 0x30 /* one for each */
#define VECTOR_SPURIOUS 0xff
#define PENDING_TIMER 1
#define PENDING_CONSOLE 2
#define PENDING_ENTROPY 4
#define PENDING_SERIAL 8
#define PENDING_NET 16
#define PENDING_DISK 32

#define DISKS_MAX 20           /* /dev/vda to /dev/vdt: as many as I/O APIC pins leave room for */
#define DISK_INTERRUPT_SIZE 48 /* bytes of code for each (interrupt.S) */

#define RFLAGS_RESERVED 0x2
#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200

#ifndef __ASSEMBLER__
#include <stdint.h>
#define PA(pointer) ((uint64_t)(uintptr_t)(pointer) - KERNEL_BASE)
#define VA(pa) ((void *)((uint64_t)(pa) + KERNEL_BASE))
#endif

#endif
