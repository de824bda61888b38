/* Interrupts: the handlers, and the hand-over when one hits the program. */
#include "entry.h"

  .section .text.traps, "ax"
  .code64

/* For a virtio device, `registers` holds where its window is: its line falls before anyone looks at the rings. */
.macro interrupt_body pending, registers
  push %rax
  .ifnb \registers
  mov \registers(%rip), %rax
  movl $3, 0x64(%rax)                /* InterruptACK: used buffers and configuration, without asking which */
  .endif
  xor %eax, %eax
  movabs %eax, KERNEL_BASE + LAPIC_PA + 0xb0   /* end of interrupt */
  orl $\pending, pending_interrupts(%rip)
  jmp interrupt_return
.endm

.macro interrupt name, pending, registers
  .globl \name
\name:
  interrupt_body \pending, \registers
.endm

  interrupt timer_interrupt, PENDING_TIMER
  interrupt console_interrupt, PENDING_CONSOLE, console_registers
  interrupt entropy_interrupt, PENDING_ENTROPY, entropy_registers
  interrupt serial_interrupt, PENDING_SERIAL
  interrupt net_interrupt, PENDING_NET, net_registers

  .globl disk_interrupts
disk_interrupts:                     /* one every DISK_INTERRUPT_SIZE bytes */
  .set disk, 0
  .rept DISKS_MAX
  interrupt_body PENDING_DISK, "disk_registers + 8 * disk"
  .org disk_interrupts + DISK_INTERRUPT_SIZE * (disk + 1)
  .set disk, disk + 1
  .endr

interrupt_return:                    /* stack: rax rip cs rflags rsp ss */
  cmpl $BASE_HIGH, 12(%rsp)
  jne interrupted_program
  cmpl $PHYSICAL(text_end), 8(%rsp)
  jae interrupted_program
  cmpl $PHYSICAL(privileged_hlt), 8(%rsp)
  je 2f
  cmpl $PHYSICAL(return_window), 8(%rsp)
  jb 1f
  cmpl $PHYSICAL(return_window_end), 8(%rsp)
  jae 1f
  movl $PHYSICAL(return_to_program), 8(%rsp)
1:
  pop %rax
  iretq
2:                                   /* QEMU's emulated SVM forgets the shadow of sti: what should end the hlt came before it */
  movl $PHYSICAL(privileged_return), 8(%rsp)
  pop %rax
  iretq

interrupted_program:                 /* hand its registers to the body, on the kernel stack */
  mov 8(%rsp), %rax
  mov %rax, trap_rip(%rip)
  mov 24(%rsp), %rax
  mov %rax, trap_rflags(%rip)
  mov 32(%rsp), %rax
  mov %rax, trap_rsp(%rip)
  lea interrupted_body(%rip), %rax
  mov %rax, 8(%rsp)
  movq $BODY_RFLAGS, 24(%rsp)
  lea kernel_stack_top(%rip), %rax
  mov %rax, 32(%rsp)
  pop %rax
  iretq

interrupted_body:
  push $USER_DS
  push trap_rsp(%rip)
  push trap_rflags(%rip)
  push $USER_CS
  push trap_rip(%rip)
  push $-1
  push_registers
  jmp return_to_program

  .globl ignored_interrupt
ignored_interrupt:
  iretq

  .bss
  .globl pending_interrupts, trap_rip, trap_rflags, trap_rsp
  .balign 8
trap_rip:                            /* of whom an interrupt or an exception stopped, for the body */
  .quad 0
trap_rflags:
  .quad 0
trap_rsp:
  .quad 0
pending_interrupts:
  .long 0

  .section .note.GNU-stack, "", @progbits
