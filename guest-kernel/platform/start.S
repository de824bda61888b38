/*
 * From PVH entry (32-bit protected mode, paging off, EBX = start info; Xen's docs/misc/pvh) to main() at CPL3, in as
 * few instructions as can be: kernel mode may be emulated, a microsecond each. What can be done later, main() does.
 */
#include "layout.h"

#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)

#define CR0_BITS 0x80010033          /* PG WP NE ET MP PE */
#define CR4_BITS 0x620               /* OSXMMEXCPT OSFXSR PAE */
#define MSR_EFER 0xc0000080
#define EFER_BITS 0x901              /* NXE LME SCE */
#define MSR_STAR 0xc0000081          /* then LSTAR; SFMASK is 0xc0000084 */
#define SYSCALL_CLEARS 0x44500       /* AC NT DF TF. Not IF: interrupts have a stack of their own (interrupt.S) */

  .section .note.Xen, "a", @note
  .balign 4
  .long 4, 8, 18                     /* XEN_ELFNOTE_PHYS32_ENTRY */
  .asciz "Xen"
  .quad PHYSICAL(start32)

  .section .text.start, "ax"
  .code32
  .globl start32
start32:
  mov $PHYSICAL(boot_pml4), %eax
  mov %eax, %cr3
  mov $CR4_BITS, %eax
  mov %eax, %cr4
  mov $MSR_EFER, %ecx
  xor %edx, %edx
  mov $EFER_BITS, %eax
  wrmsr
  mov $CR0_BITS, %eax
  mov %eax, %cr0
  lgdt PHYSICAL(gdt_pointer_low)
  ljmp $KERNEL_CS, $PHYSICAL(start64)

  .code64
start64:
  lgdt gdt_pointer(%rip)
  lidt idt_pointer(%rip)
  mov $TSS_SELECTOR, %eax
  ltr %ax
  mov $MSR_STAR, %ecx
  xor %eax, %eax
  mov $(SYSRET_BASE << 16 | KERNEL_CS), %edx
  wrmsr
  inc %ecx
  mov $PHYSICAL(syscall_entry), %eax
  mov $(KERNEL_BASE >> 32), %edx
  wrmsr
  mov $0xc0000084, %ecx
  mov $SYSCALL_CLEARS, %eax
  xor %edx, %edx
  wrmsr
  mov %ebx, %edi                     /* main(start_info) */
  lea boot_frame(%rip), %rsp
  iretq

  /* main() starts with interrupts off: there is no interrupt table yet. */
  .section .privileged, "aw"
  .balign 4096
  .globl boot_pml4, boot_pdpt
boot_pml4:
  .quad PHYSICAL(boot_pdpt) + 7      /* identity, for the way from paging off to the kernel's addresses */
  .fill (SCAFFOLD_BASE >> 39) - 1, 8, 0
  .quad PHYSICAL(boot_pdpt) + 7
  .quad PHYSICAL(boot_pdpt) + 7      /* KERNEL_BASE */
  .fill 511 - (KERNEL_BASE >> 39), 8, 0
boot_pdpt:
  .irp n, 0, 1, 2, 3
  .quad PHYSICAL(boot_pd) + \n * 4096 + 7
  .endr
  .fill 508, 8, 0
boot_pd:                             /* 4 GiB in pages of 2 MiB */
  .set at, 0
  .rept 2048
  .quad at + 0x87
  .set at, at + 0x200000
  .endr

  .globl gdt, idt, tss
gdt:
  .quad 0, 0
  .quad 0x00af9b000000ffff           /* KERNEL_CS: 64-bit code */
  .quad 0x00cf93000000ffff           /* KERNEL_DS */
  .quad 0
  .quad 0x00cff3000000ffff           /* USER_DS */
  .quad 0x00affb000000ffff           /* USER_CS: 64-bit code, DPL 3 */
  .quad 0
  /* TSS (SDM vol 3 section 7.2.3). Bytes 2 to 5 in one: the low three bytes of the base, then type and present. */
  .word tss_end - tss - 1
  .long PHYSICAL(tss) + 0x89000000
  .word 0
  .long KERNEL_BASE >> 32, 0
gdt_end:
gdt_pointer_low:
  .word gdt_end - gdt - 1
  .quad PHYSICAL(gdt)
gdt_pointer:
  .word gdt_end - gdt - 1
  .quad gdt
idt_pointer:
  .word 256 * 16 - 1
  .quad idt

  .balign 16
boot_frame:
  .quad main, USER_CS, RFLAGS_RESERVED, kernel_stack_top - 8, USER_DS

  .balign 16
tss:                                 /* filled by traps_init() */
  .fill 104, 1, 0
tss_end:

  .balign 16
idt:
  .fill 256 * 16, 1, 0

  .globl privileged_stack_top, interrupt_stack_top, exception_stack_top, nmi_stack_top
  .balign 16
  .fill PRIVILEGED_STACK_SIZE, 1, 0
privileged_stack_top:
  .fill INTERRUPT_STACK_SIZE, 1, 0
interrupt_stack_top:
  .fill INTERRUPT_STACK_SIZE, 1, 0
exception_stack_top:
  .fill INTERRUPT_STACK_SIZE, 1, 0
nmi_stack_top:

  /* Stacks of the kernel's body. Their tops are 8 off 16, so that `call` after a frame of 21 words is aligned. */
  .bss
  .globl kernel_stack_top, fault_stack_top
  .balign 16
  .fill KERNEL_STACK_SIZE + 8, 1, 0
kernel_stack_top:
  .balign 16
  .fill FAULT_STACK_SIZE + 8, 1, 0
fault_stack_top:

  .section .note.GNU-stack, "", @progbits
